// A peer in a separate process that measures on request: it reads a line, usually a number of
// seconds, and answers with a JSON line of figures. Between two lines it sleeps, so that both sides
// can take short turns without starting and warming up again.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RunError } from '../src/base/errors.ts';
import type { Summary } from './stats.ts';

/** What a peer answers. */
export interface PeerFigures {
  readonly imagesPerSecond: number;
  readonly msPerStep: Summary;
  /** The memory format, if there are several. */
  readonly format?: string;
}

export interface ServedPeer {
  /** Trains and measures for about this long; the first call also waits for start and warm-up. If
   * the peer fails or does not answer, throws a RunError with the last lines that it wrote. */
  measure(seconds: number): Promise<PeerFigures>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** The working directory of peers: this project, so that a script that enters another system knows
 * what must be visible there. */
export const PEER_FOLDER = fileURLToPath(new URL('..', import.meta.url));
/** Allowed in addition to the measured time: the start, a check, warm-up, on a machine with other
 * work. */
const GRACE_MS = 300_000;
/** Time for a peer to end by itself. */
const END_MS = 10_000;
/** How many of a peer's last lines are shown. */
const SHOWN_LINES = 5;

/** The path of a program in bench/peers. */
export function peerProgram(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}`, import.meta.url));
}

/** The last lines of a program's output. */
export function lastLines(text: string, count = SHOWN_LINES): string {
  return text.trim().split('\n').slice(-count).join('\n');
}

/** Starts a peer that trains. */
export function servePeer(...start: Parameters<typeof serve>): ServedPeer {
  const { ask, close } = serve(...start);
  return { measure: (seconds) => ask<PeerFigures>(`${seconds}`, seconds), close };
}

/** A program that answers each line with a line of JSON. */
export interface Served {
  /** Waits for about this many seconds, and much longer for a start. If the program fails or does
   * not answer, throws a RunError with the last lines that it wrote. */
  ask<Answer>(line: string, seconds: number): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts a program. */
export function serve(
  name: string,
  command: string,
  args: readonly string[],
  graceMs = GRACE_MS,
): Served {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: PEER_FOLDER });
  let written = '';
  let failure: Error | undefined;
  child.stderr.on('data', (chunk: Buffer) => {
    written += chunk;
  });
  // A broken pipe also shows as the end of the process.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      failure = error;
      resolve();
    });
    child.on('close', () => resolve());
  });
  const failed = (why: string): RunError =>
    new RunError({ reason: `${name} ${why}: ${failure?.message ?? lastLines(written)}` });
  /** Also works if the command has started others that hold the pipes, since their input ends. */
  const kill = (): void => {
    child.kill();
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  };
  return {
    async ask<Answer>(request: string, seconds: number) {
      child.stdin.write(`${request}\n`);
      const limitMs = seconds * 1000 + graceMs;
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        kill();
      }, limitMs);
      try {
        const line = await Promise.race([lines.next(), ended.then(() => undefined)]);
        if (line !== undefined && line.done !== true) return answerIn<Answer>(line.value, failed);
        await ended;
        throw failed(isLate ? `did not answer within ${limitMs / 1000} s` : 'failed');
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      child.stdin.end();
      const timer = setTimeout(kill, END_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

function answerIn<Answer>(line: string, failed: (why: string) => RunError): Answer {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    throw failed(`wrote ${JSON.stringify(line)} instead of JSON`);
  }
}
