// The synchronization as it is, under a scheduler that interleaves its atomic operations: thousands
// of schedules, each by a seed. Then with mistakes, each of which the scheduler must find.

import { describe, expect, it } from 'vitest';
import { bundleMutant, runModel } from './model.ts';
import { MUTANTS } from './mutants.ts';
import { describeSchedules } from './schedules.ts';

const SCHEDULES = 15;
const MUTANT_SCHEDULES = 4000;

describeSchedules(SCHEDULES);

describe('the scheduler', () => {
  it('gives the same schedules for the same seeds, and others for others', async () => {
    const options = { scenario: 'rounds', worldSize: 3, spinTurns: 2, schedules: 20 } as const;
    const first = await runModel(options);
    expect(await runModel(options)).toEqual(first);
    expect(await runModel({ ...options, seed: 20 })).not.toEqual(first);
  });
});

describe('a mistake is found:', () => {
  for (const mutant of MUTANTS) {
    const { name, scenario, worldSize = 3, spinTurns = 0, hasMain = false } = mutant;
    it(name, async () => {
      const file = await bundleMutant(name, mutant);
      const schedules = MUTANT_SCHEDULES;
      const report = await runModel({ scenario, worldSize, spinTurns, hasMain, schedules, file });
      expect(report.failure, `${report.schedules} schedules went well`).toBeDefined();
    }, 120_000);
  }
});
