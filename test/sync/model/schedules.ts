// The cases of the model: which scenarios run in which groups, and what each of them promises. The
// tests run them with few schedules and, in the long tests, with many.

import { describe, expect, it } from 'vitest';
import { bundleMutant, type ModelOptions, type ModelReport, runModel } from './model.ts';
import type { ScenarioName } from './modelWorker.ts';
import type { Mutant } from './mutants.ts';

const MUTANT_SCHEDULES = 4000;
/** How often members that spin look before they sleep. */
export const SPINNING = 2;
const GROUPS = [
  { worldSize: 2, spinTurns: SPINNING, hasAll: true },
  { worldSize: 3, spinTurns: 0, hasAll: true },
  { worldSize: 3, spinTurns: SPINNING, hasAll: false },
  { worldSize: 4, spinTurns: 0, hasAll: false },
  { worldSize: 4, spinTurns: SPINNING, hasAll: true },
];
/** Where a group does not get all cases, it gets those that the others rest on. */
const MAIN_SCENARIOS: readonly string[] = ['rounds', 'die', 'collectives', 'splitsEnd'];

interface Case {
  readonly scenario: ScenarioName;
  readonly promise: string;
  readonly hasMain?: boolean;
}

const CASES: readonly Case[] = [
  { scenario: 'rounds', promise: 'let nobody out before all are in, and lose no wake-up' },
  { scenario: 'finishTogether', promise: 'let all out of the last barrier when some finish' },
  { scenario: 'finishEarly', promise: 'release all when one finishes too early' },
  { scenario: 'abort', promise: 'release all when one aborts the run' },
  { scenario: 'twoAborts', promise: 'tell the first of two aborts to all' },
  { scenario: 'abortFromMain', promise: 'release all when main aborts the run', hasMain: true },
  { scenario: 'stop', promise: 'stop all in the same round', hasMain: true },
  { scenario: 'die', promise: 'release all when one dies anywhere', hasMain: true },
  { scenario: 'mismatch', promise: 'let nobody through when one calls something else' },
  { scenario: 'collectives', promise: 'overwrite nothing that is still to be read' },
  { scenario: 'values', promise: 'overwrite no short values that are still to be read' },
  { scenario: 'different', promise: 'end all collectives that differ with an error' },
  { scenario: 'splits', promise: 'keep split groups apart that are used in turns' },
  { scenario: 'regroup', promise: 'use the memory of a freed group when all have left it' },
  { scenario: 'splitsEnd', promise: 'release the members of all groups when one ends' },
];

/** What was wrong in which schedule, or nothing. */
function showFailure({ failure }: ModelReport): string {
  if (failure === undefined) return '';
  return `${failure.scenario}, seed ${failure.seed}: ${failure.text}`;
}

/** Runs a scenario, in which nothing may be wrong. */
export async function expectRight(options: ModelOptions): Promise<void> {
  const report = await runModel(options);
  if (report.failure !== undefined) expect.fail(showFailure(report));
  expect(report.schedules).toBe(options.schedules);
}

/** Runs scenarios with a mistake each, which must be found. */
export function describeMutants(mutants: readonly Mutant[]): void {
  describe('a mistake is found:', () => {
    for (const mutant of mutants) {
      const { name, scenario, processes = 1, worldSize = 3, spinTurns = 0 } = mutant;
      it(name, async () => {
        const { hasMain = false, isOneWorld = false } = mutant;
        const group = { processes, worldSize, spinTurns, hasMain, isOneWorld };
        const file = await bundleMutant(name, mutant);
        const report = await runModel({ scenario, ...group, schedules: MUTANT_SCHEDULES, file });
        expect(report.failure, `${report.schedules} schedules went well`).toBeDefined();
      }, 120_000);
    }
  });
}

/** Runs each case under so many schedules; the barrier gets six times as many, because everything
 * else rests on it. */
export function describeSchedules(schedulesOfEach: number): void {
  for (const { worldSize, spinTurns, hasAll } of GROUPS) {
    const how = spinTurns === 0 ? 'sleep at once' : 'spin before they sleep';
    describe(`in every schedule, ${worldSize} ranks that ${how}`, () => {
      for (const { scenario, promise, hasMain = false } of CASES) {
        if (!hasAll && !MAIN_SCENARIOS.includes(scenario)) continue;
        // There must be a member left to be told.
        if (scenario === 'twoAborts' && worldSize === 2) continue;
        it(promise, async () => {
          const schedules = scenario === 'rounds' ? 6 * schedulesOfEach : schedulesOfEach;
          await expectRight({ scenario, worldSize, spinTurns, schedules, hasMain });
        }, 600_000);
      }
    });
  }
}
