// Runs the built command as a child process, as a user would.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command. */
export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout that are JSON. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

type OnLine = (line: string, child: ChildProcess) => void;

/** Runs `syncbn` with these arguments; `onLine` sees each line of stdout as it comes. */
export function syncbn(args: readonly string[], onLine?: OnLine): Promise<Outcome> {
  return run(process.execPath, [CLI, ...args], { onLine });
}

/** Runs a command. */
export function run(
  file: string,
  args: readonly string[],
  options: {
    readonly onLine?: OnLine | undefined;
    readonly onStart?: (child: ChildProcess) => void;
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<Outcome> {
  const { onLine, onStart, env = process.env } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    onStart?.(child);
    let stdout = '';
    let stderr = '';
    let shown = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
      for (let end = stdout.indexOf('\n', shown); end >= 0; end = stdout.indexOf('\n', shown)) {
        onLine?.(stdout.slice(shown, end), child);
        shown = end + 1;
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      try {
        resolve({ code, stdout, stderr, events: eventsIn(stdout) });
      } catch (error) {
        reject(new Error(`a line of this is no JSON:\n${stdout}`, { cause: error }));
      }
    });
  });
}

/** What lies behind the last end of a line is left out: a launcher that was ended cuts lines. */
function eventsIn(stdout: string): Outcome['events'] {
  const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line.startsWith('{"')).map((line) => JSON.parse(line));
}
