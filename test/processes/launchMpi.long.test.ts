// Launches over real processes under real MPI: the bits of one process, errors that name who, and
// an end when one is killed.

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../src/runtime/launch.ts';
import { type Outcome, run } from '../support/cli.ts';
import { urlOfJob } from '../support/processes/launches.ts';
import type { LaunchArgs } from '../support/processes/launchJob.ts';
import { LIBRARIES, mpirunScript } from '../support/processes/mpirun.ts';

const SCRIPT = fileURLToPath(new URL('../support/jobs/launches.mjs', import.meta.url));

type Asked = LaunchOptions & { readonly args: LaunchArgs };

const argsOf = async (asked: Asked) => [SCRIPT, await urlOfJob(), JSON.stringify(asked)];

const ALL = { what: 'all', count: 40, seed: 11 } as const;
const RANKS = 4;

let alone: Outcome;
beforeAll(async () => {
  alone = await run(process.execPath, await argsOf({ args: ALL, workers: RANKS }));
});

describe.each(LIBRARIES)('under $title', ({ library, isHere }) => {
  const launched = async (processes: number, asked: Asked, isTcp = false) =>
    mpirunScript(library, processes, await argsOf(asked), { isTcp });

  it.skipIf(!isHere).each([
    [2, 2, true],
    [4, 1, false],
  ])(
    '%d processes of %d workers each have the bits of one: TCP %s',
    async (processes, workers, isTcp) => {
      const apart = await launched(processes, { args: ALL, workers }, isTcp);
      expect(apart.code).toBe(0);
      expect(apart.events).toEqual(Array.from({ length: processes }, () => alone.events[0]));
      expect(alone.events).toMatchObject([{ event: 'results', ranks: RANKS }]);
    },
  );

  it.skipIf(!isHere)('a job that throws ends all processes with its error', async () => {
    const { events, code } = await launched(2, { args: { what: 'throw', odd: 3 }, workers: 2 });
    expect(code).not.toBe(0);
    const messages = events.map(({ message }) => message);
    expect(messages).toContain('rank 3: TypeError: the job is wrong');
    expect(messages).toContainEqual(
      expect.stringMatching(/^rank 0, in barrier, call 2: process 1 on \S+ failed: .*rank 3: Type/),
    );
  });

  it.skipIf(!isHere)('a member of a group that has finished is named at once', async () => {
    const args = { what: 'leave', odd: 0 } as const;
    const { events, code } = await launched(2, { args, workers: 2 });
    expect(code).not.toBe(0);
    expect(events.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/in barrier of color 0, call 1: process 0 on \S+ has finished/),
    );
  });

  it.skipIf(!isHere)('a process that is killed leaves none waiting', async () => {
    const asked = { args: { what: 'wait', odd: 2 }, workers: 1, timeoutMs: 300 } as const;
    const { events, code } = await launched(3, asked);
    expect(code).not.toBe(0);
    // MPICH ends the others at once, before they can say anything.
    const least = library.name === 'MPICH' ? 0 : 2;
    expect(events.length).toBeGreaterThanOrEqual(least);
    for (const { message } of events) expect(message).toMatch(/process [012] on \S+ /);
  });
});
