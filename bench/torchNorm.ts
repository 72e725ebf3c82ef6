// Talks to the PyTorch peer for normalization: one process for all requests, which waits without
// computing while ours are measured.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RunError } from '../src/base/errors.ts';
import { PYTHON } from './peers.ts';

const SCRIPT = fileURLToPath(new URL('./peers/torch_norm.py', import.meta.url));

export interface PeerTimes {
  readonly min: number;
  readonly p50: number;
}

export interface TorchNorm {
  /** Milliseconds of BatchNorm2d forward and backward on [N, C, H, W]. */
  time(
    shape: readonly number[],
    seconds: number,
  ): Promise<{ readonly default: PeerTimes; readonly channelsLast: PeerTimes }>;
  /** Unbiased variances of the channels of a file of float32 rows. */
  variance(file: string, channels: number): Promise<{ readonly variance: readonly number[] }>;
  close(): void;
}

export function startTorchNorm(): TorchNorm {
  const child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  let problems = '';
  child.stderr.on('data', (text: Buffer) => {
    problems += text.toString();
  });
  child.on('close', () => {
    for (const { reject } of waiting) {
      reject(new RunError({ reason: `the peer ended: ${problems}` }));
    }
  });
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
  const ask = async <Answer>(request: object): Promise<Answer> => {
    const answered = new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }));
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await answered) as Answer;
  };
  return {
    time: (shape, seconds) => ask({ op: 'time', shape, seconds }),
    variance: (file, channels) => ask({ op: 'variance', file, channels }),
    close: () => child.stdin.end(),
  };
}
