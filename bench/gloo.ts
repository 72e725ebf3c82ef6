// Runs gloo, the collectives of PyTorch between processes of one machine. Whether there is one,
// says findTorch in peers.ts.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RunError } from '../src/base/errors.ts';
import { timeoutMs } from './openmpi.ts';
import { PYTHON } from './peers.ts';
import { readPeer, type Side } from './sides.ts';

const SCRIPT = fileURLToPath(new URL('./peers/gloo_all_reduce.py', import.meta.url));
/** Larger ones take long and say nothing new. */
const MAX_BYTES = 8_388_608;

/** Every call is timed alone, which is exact enough for calls this long. */
export const glooSide: Side = async (round) => {
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
  const args = [SCRIPT, ...Object.entries(flags).map(([flag, value]) => `${flag}=${value}`)];
  try {
    const { stdout } = await promisify(execFile)(PYTHON, args, { timeout: limitMs + 10_000 });
    return readPeer('gloo', stdout);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new RunError({ reason: `gloo failed: ${stderr || error}` }, { cause: error });
  }
};
