// The cases of the model with several processes, and what each of them promises.

import { describe, it } from 'vitest';
import type { ScenarioName } from './modelWorker.ts';
import { expectRight, SPINNING } from './schedules.ts';

const GROUPS = [
  { processes: 2, worldSize: 1, spinTurns: 0 },
  { processes: 2, worldSize: 2, spinTurns: SPINNING },
  { processes: 3, worldSize: 1, spinTurns: 0 },
  { processes: 3, worldSize: 2, spinTurns: 0 },
];
const FURTHER_GROUPS = [
  { processes: 2, worldSize: 2, spinTurns: 0 },
  { processes: 2, worldSize: 3, spinTurns: 0 },
  { processes: 3, worldSize: 2, spinTurns: SPINNING },
];

const CASES = {
  exchanges: 'let nobody out of an exchange before all are in, and overwrite no message',
  reorderedExchanges: 'bear that messages come late and overtake each other',
  processesStop: 'stop all in the same round',
  workerDies: 'release all when a worker dies anywhere, and name its process',
  processDies: 'release all by the deadline when a process dies anywhere, and name it',
  endWithoutPeers: 'release all that are told not to wait for others',
  processesDiffer: 'let nobody through when a process calls something else, and name both',
  workerAborts: 'release all when a worker breaks its process off',
  workersDiffer: 'release all when workers of a process differ',
  mainAborts: 'release a process that main aborts while it waits for others',
  failuresTold: 'tell with a failure why',
} satisfies Partial<Record<ScenarioName, string>>;

const WORLD_CASES = {
  crossing: 'mirror what all publish, and overwrite nothing that is still to be read',
  crossingDiffers: 'let nobody through when a member calls something else',
} satisfies Partial<Record<ScenarioName, string>>;

const WORLDS = [
  { processes: 2, worldSize: 2, spinTurns: 0 },
  { processes: 2, worldSize: 2, spinTurns: SPINNING },
  { processes: 3, worldSize: 1, spinTurns: 0 },
];

type Group = (typeof GROUPS)[number];

function show({ processes, worldSize, spinTurns }: Group): string {
  const workers = worldSize === 1 ? '1 worker' : `${worldSize} workers`;
  const how = spinTurns === 0 ? 'sleep at once' : 'spin before they sleep';
  return `${processes} processes of ${workers} that ${how}`;
}

const namesOf = <T extends object>(cases: T) => Object.keys(cases) as (keyof T)[];

/** Runs schedules of which each draws its case. */
export function describeMixedProcesses(schedules: number): void {
  describe('in every schedule', () => {
    for (const group of GROUPS) {
      it(`${show(group)} keep their promises`, async () => {
        await expectRight({ scenario: namesOf(CASES), ...group, schedules, hasMain: true });
      }, 600_000);
    }
  });
}

/** Runs each case under so many schedules. */
export function describeProcesses(schedules: number): void {
  for (const group of [...GROUPS, ...FURTHER_GROUPS]) {
    describe(`in every schedule, ${show(group)}`, () => {
      for (const scenario of namesOf(CASES)) {
        // There must be a worker to differ from.
        if (scenario === 'workersDiffer' && group.worldSize === 1) continue;
        it(CASES[scenario], async () => {
          await expectRight({ scenario, ...group, schedules, hasMain: true });
        }, 600_000);
      }
    });
  }
}

/** Runs schedules of one world over several processes, for the first `count` of its forms. */
export function describeWorlds(schedules: number, count = WORLDS.length): void {
  for (const group of WORLDS.slice(0, count)) {
    describe(`in every schedule, one world of ${show(group)}`, () => {
      for (const scenario of namesOf(WORLD_CASES)) {
        it(WORLD_CASES[scenario], async () => {
          await expectRight({ scenario, ...group, schedules, isOneWorld: true });
        }, 600_000);
      }
    });
  }
}
