// The built command as a child process in a process group of its own, watched line by line, for
// campaigns that disturb it.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const MAX_TEXT = 20_000;

export type CommandEvent = Readonly<Record<string, unknown>>;

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Its events, in order. */
  readonly events: readonly CommandEvent[];
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly events: readonly CommandEvent[];
  readonly ended: Promise<Ended>;
  isAlive(): boolean;
  /** To the process, or to its whole group. */
  kill(signal: NodeJS.Signals, toGroup: boolean): void;
  /** Resolves when the command has reported n such events, or has ended. */
  told(event: string, n: number): Promise<void>;
}

const running = new Set<ChildProcess>();
// Running commands must not outlive the campaign.
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
});

/** Starts `syncbn` with these arguments. */
export function startCommand(args: readonly string[]): Running {
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  const child = spawn(process.execPath, [CLI, ...args], { stdio, detached: true });
  running.add(child);
  const events: CommandEvent[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('{')) events.push(JSON.parse(line));
    for (const look of waiting) look();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk}`.slice(-MAX_TEXT);
  });
  let isOver = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      isOver = true;
      running.delete(child);
      for (const look of waiting) look();
      resolve({ code, signal, events, stderr });
    });
  });
  return {
    child,
    events,
    ended,
    isAlive: () => !isOver && child.exitCode === null && child.signalCode === null,
    kill(signal, toGroup) {
      if (toGroup) killGroup(child, signal);
      else child.kill(signal);
    },
    told(event, n) {
      return new Promise((resolve) => {
        const look = (): void => {
          if (!isOver && events.filter((other) => other.event === event).length < n) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
  };
}

/** A group that no longer exists is not an error, since it was to be killed. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
