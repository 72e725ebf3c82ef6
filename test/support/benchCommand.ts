// Runs the benchmarks as their user does, for tests.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from './sources.ts';

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Runs `scripts/bench.mjs` with what is built. */
export async function bench(...args: readonly string[]): Promise<Output> {
  try {
    const options = { cwd: ROOT, timeout: 290_000 };
    const argv = ['scripts/bench.mjs', ...args];
    return { ...(await promisify(execFile)(process.execPath, argv, options)), code: 0 };
  } catch (error) {
    return error as Output;
  }
}

/** The objects that a benchmark prints with `--json`, which have to be all that it prints. */
export function linesOf({ stdout }: Output): Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
