// Finds, compiles and runs Open MPI (Debian: openmpi-bin libopenmpi-dev), which is not a
// dependency.

import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { promisify } from 'node:util';
import { RunError } from '../src/base/errors.ts';
import { lastLines, peerProgram } from './served.ts';
import { type Round, readPeer, type Side } from './sides.ts';

const run = promisify(execFile);

const SOURCE = peerProgram('openmpi_all_reduce.c');
const PROBE_TIMEOUT_MS = 20_000;
const COMPILE_TIMEOUT_MS = 60_000;
/** Allowed in addition to the measured time: the start, the checks, and calls of a second each. */
const GRACE_MS = 120_000;

/** Open MPI, or why it is missing. */
export type OpenMpi = { readonly version: string } | { readonly missing: string };

export async function findOpenMpi(): Promise<OpenMpi> {
  const debian = '(Debian: openmpi-bin libopenmpi-dev)';
  try {
    const { stdout } = await run('mpirun', ['--version'], { timeout: PROBE_TIMEOUT_MS });
    const version = /Open MPI\)? (\d[\w.]*)/.exec(stdout)?.[1];
    if (version === undefined) return { missing: `mpirun is another MPI's ${debian}` };
    await run('mpicc', ['--version'], { timeout: PROBE_TIMEOUT_MS });
    return { version };
  } catch {
    return { missing: `no mpirun or no mpicc ${debian}` };
  }
}

/** Compiles the peer's program into a folder. */
export async function openMpiSide(folder: string): Promise<Side> {
  const program = join(folder, 'openmpi_all_reduce');
  await run('mpicc', ['-O3', '-o', program, SOURCE, '-lm'], { timeout: COMPILE_TIMEOUT_MS });
  const measure: Side['measure'] = async (round) => {
    const { bytes, dtypes, seconds, warmUpSeconds, targetUs } = round;
    const times = [seconds, warmUpSeconds, targetUs];
    const what = bytes.length === 0 ? ['barrier', ...times] : ['all-reduce', ...times, dtypes];
    const args = [...launchFlags(round.ranks), program, ...what, ...bytes].map(String);
    try {
      const { stdout } = await run('mpirun', args, { timeout: timeoutMs(round) });
      return readPeer('openmpi', stdout);
    } catch (error) {
      const { stderr } = error as { stderr?: string };
      throw new RunError(
        { reason: `Open MPI failed: ${lastLines(stderr || String(error))}` },
        { cause: error },
      );
    }
  };
  return { label: 'Open MPI', measure };
}

/** Uses shared memory only, copied directly from process to process if the system allows it, which
 * is the default. Waiting ranks spin, and yield if there are more of them than cores. */
function launchFlags(ranks: number): readonly string[] {
  const yields = ranks > availableParallelism() ? '1' : '0';
  return [
    ...(geteuid?.() === 0 ? ['--allow-run-as-root'] : []),
    ...['-n', `${ranks}`, '--oversubscribe'],
    ...['--mca', 'btl', 'self,vader', '--mca', 'mpi_yield_when_idle', yields],
  ];
}

/** How long a peer may take for a round. */
export function timeoutMs({ bytes, dtypes, seconds, warmUpSeconds }: Round): number {
  const settings = Math.max(1, bytes.length * dtypes.length);
  return Math.ceil(settings * (seconds + warmUpSeconds) * 2 * 1000) + GRACE_MS;
}
