// The synchronization as it is, under a scheduler that interleaves its atomic operations: thousands
// of schedules, each with a seed. Then with mistakes; the scheduler must find each of them. The
// remaining mistakes between processes are in the long tests.

import { describe, expect, it } from 'vitest';
import { runModel } from './model.ts';
import { MUTANTS } from './mutants.ts';
import { PROCESS_MUTANTS } from './processMutants.ts';
import { describeMixedProcesses, describeWorlds } from './processSchedules.ts';
import { describeMutants, describeSchedules } from './schedules.ts';

const SCHEDULES = 15;
const MIXED_SCHEDULES = 30;

describeSchedules(SCHEDULES);
describeMixedProcesses(MIXED_SCHEDULES);
describeWorlds(SCHEDULES, 1);

describe('the scheduler', () => {
  it('gives the same schedules for the same seeds, and others for others', async () => {
    const options = { scenario: 'rounds', worldSize: 3, spinTurns: 2, schedules: 20 } as const;
    const first = await runModel(options);
    expect(await runModel(options)).toEqual(first);
    expect(await runModel({ ...options, seed: 20 })).not.toEqual(first);
  });
});

const isFirstInFile = (file: string, i: number): boolean =>
  PROCESS_MUTANTS.findIndex((mutant) => mutant.file === file) === i;

describeMutants([...MUTANTS, ...PROCESS_MUTANTS.filter(({ file }, i) => isFirstInFile(file, i))]);
