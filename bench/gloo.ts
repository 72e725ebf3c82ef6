// Runs gloo, PyTorch's collectives between processes of one machine.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { RunError } from '../src/base/errors.ts';
import { timeoutMs } from './openmpi.ts';
import { lastLines, PEER_FOLDER, peerProgram } from './served.ts';
import { type Measured, type Round, readPeer, type Side } from './sides.ts';

/** Larger arrays take long and show nothing new. */
const MAX_BYTES = 8_388_608;

/** Every call is timed separately, which is exact enough for calls of this length. */
export function glooSide(python: string): Side {
  return { label: 'gloo', measure: (round) => measure(python, round) };
}

async function measure(python: string, round: Round): Promise<readonly Measured[]> {
  const bytes = round.bytes.filter((size) => size <= MAX_BYTES);
  if (bytes.length === 0 && round.bytes.length > 0) return [];
  const limitMs = timeoutMs(round);
  const flags = {
    '--ranks': round.ranks,
    '--bytes': bytes.join(','),
    '--dtypes': round.dtypes.join(','),
    '--seconds': round.seconds,
    '--warm-up-seconds': round.warmUpSeconds,
    '--timeout-seconds': limitMs / 1000,
  };
  const program = peerProgram('gloo_all_reduce.py');
  const args = [program, ...Object.entries(flags).map(([flag, value]) => `${flag}=${value}`)];
  try {
    const options = { timeout: limitMs + 10_000, cwd: PEER_FOLDER };
    const { stdout } = await promisify(execFile)(python, args, options);
    return readPeer('gloo', stdout);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new RunError(
      { reason: `gloo failed: ${lastLines(stderr || String(error))}` },
      { cause: error },
    );
  }
}
