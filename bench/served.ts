// A peer in a process of its own that measures whenever it is asked to: a line with seconds goes
// in, a JSON line with figures comes out. Between two lines it sleeps, so that both sides can take
// short turns without starting and warming up again.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { RunError } from '../src/base/errors.ts';
import type { Summary } from './stats.ts';

/** What a peer answers. */
export interface PeerFigures {
  readonly imagesPerSecond: number;
  readonly msPerStep: Summary;
}

export interface ServedPeer {
  /** Trains and measures for about so long; the first call also waits for start and warm-up.
   * Throws a RunError with what the peer wrote when it fails or does not answer. */
  measure(seconds: number): Promise<PeerFigures>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** Beyond the measured time: the start, a check, warming up, on a machine with other work. */
const GRACE_MS = 300_000;
/** What a peer gets to end by itself. */
const END_MS = 10_000;

/** Starts a peer. */
export function servePeer(name: string, command: string, args: readonly string[]): ServedPeer {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let written = '';
  let failure: Error | undefined;
  child.stderr.on('data', (chunk: Buffer) => {
    written += chunk;
  });
  // A broken pipe shows as the end of the process, too.
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
    new RunError({ reason: `${name} ${why}: ${failure?.message ?? written.trim()}` });
  return {
    async measure(seconds) {
      child.stdin.write(`${seconds}\n`);
      const timer = setTimeout(() => child.kill(), seconds * 1000 + GRACE_MS);
      try {
        const line = await Promise.race([lines.next(), ended.then(() => undefined)]);
        if (line === undefined || line.done === true) {
          await ended;
          throw failed('failed');
        }
        return JSON.parse(line.value) as PeerFigures;
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill(), END_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
