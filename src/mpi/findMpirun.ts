// Finds the installed MPI launcher by asking each candidate for its version.

import { spawnSync } from 'node:child_process';
import { familyOf, type MpirunFamily } from './mpirun.ts';

export interface FoundMpirun {
  readonly mpirun: string;
  readonly family: MpirunFamily;
}

const NAMES = ['mpirun', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec'];

/** The launchers to try, in this order, unless SYNCBN_MPIRUN names one. */
export function mpirunCandidates(): readonly string[] {
  const given = process.env.SYNCBN_MPIRUN;
  return given ? [given] : NAMES;
}

/** The first candidate that is a launcher, optionally of certain families. */
export function findMpirun(
  candidates: readonly string[],
  families?: readonly MpirunFamily[],
): FoundMpirun | undefined {
  for (const mpirun of candidates) {
    const { stdout, stderr, error } = spawnSync(mpirun, ['--version'], { encoding: 'utf8' });
    if (error !== undefined) continue;
    const family = familyOf(`${stdout}${stderr}`);
    if (family === undefined || families?.includes(family) === false) continue;
    return { mpirun, family };
  }
  return undefined;
}
