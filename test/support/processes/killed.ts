// A supervised run of several processes; one is killed in the middle of the run.

import { readdirSync, readFileSync } from 'node:fs';
import { CLI, type Outcome, run } from '../cli.ts';
import type { MpiLibraryUnderTest } from './mpirun.ts';

/** Runs `syncbn` with `--processes`; `onStep` is told of each step that is shown, with the
 * processes at work. */
export function supervised(
  library: MpiLibraryUnderTest,
  args: readonly string[],
  onStep: (step: number, pids: readonly number[]) => void,
): Promise<Outcome> {
  return run(process.execPath, [CLI, ...args], {
    env: { ...process.env, SYNCBN_MPIRUN: library.launcher },
    onLine: (line, child) => {
      if (!line.startsWith('{')) return;
      const { event, step } = JSON.parse(line) as { event: string; step?: number };
      if (event === 'progress' || event === 'epoch') onStep(step ?? 0, workersOf(child.pid!));
    },
  });
}

/** The processes below one that run the command themselves. */
export function workersOf(ancestor: number): readonly number[] {
  const parents = new Map<number, number>();
  const commands = new Map<number, string>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
      commands.set(Number(name), readFileSync(`/proc/${name}/cmdline`, 'utf8'));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === ancestor || isBelow(parent));
  };
  return [...commands]
    .filter(([pid, command]) => command.startsWith(process.execPath) && isBelow(pid))
    .map(([pid]) => pid)
    .sort((a, b) => a - b);
}
