// launch as it is when built: results, errors, and a process that ends by itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunError } from '../../src/base/errors.ts';
import type { launch as Launch, LaunchOptions } from '../../src/runtime/launch.ts';
import { AT_ONCE_MS } from '../support/atOnce.ts';
import { nowMs } from '../support/ranks/threads.ts';
import { BUILT_URL, launchBuilt } from '../support/runs/launchBuilt.ts';

const JOB = new URL('../support/jobs/job.mjs', import.meta.url);

let launch: typeof Launch;

beforeAll(async () => {
  launch = await launchBuilt();
});

function run(what: string, workers: number, options: LaunchOptions & { args?: object } = {}) {
  return launch(JOB, { ...options, workers, args: { what, ...options.args } });
}

/** The error that launch rejects with; the built bundle has error classes of its own. */
async function errorOf(launched: Promise<unknown>): Promise<RunError> {
  const error = await launched.then(
    () => expect.unreachable('launch should have rejected'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error as RunError;
}

describe('launch', () => {
  for (const workers of [1, 2, 3, 5]) {
    it(`runs the job on ${workers} ranks and returns the results in rank order`, async () => {
      const results = await run('context', workers, { args: { given: 'x' } });
      const ranks = Array.from({ length: workers }, (_, rank) => rank);
      expect(results).toEqual(ranks.map((rank) => ({ rank, worldSize: workers, given: 'x' })));
      const sum = new Float64Array([(workers * (workers + 1)) / 2, workers]);
      expect(await run('sum', workers)).toEqual(ranks.map(() => sum));
    });
  }

  it('accepts asynchronous jobs, and modules by path', async () => {
    expect(
      await launch('test/support/jobs/job.mjs', { workers: 2, args: { what: 'later' } }),
    ).toEqual([10, 10]);
  });

  it('shares shared memory in the arguments', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    expect(await run('share', 3, { args: { shared } })).toEqual([6, 6, 6]);
    expect(shared[0]).toBe(6);
  });

  it('runs twice at once, each with its own group', async () => {
    const [two, three] = await Promise.all([run('sum', 2), run('sum', 3)]);
    expect(two).toEqual(Array(2).fill(new Float64Array([3, 2])));
    expect(three).toEqual(Array(3).fill(new Float64Array([6, 3])));
  });
});

describe('launch rejects', () => {
  it('when a job throws, naming the rank', async () => {
    const error = await errorOf(run('throw', 3));
    expect(error.message).toBe('rank 1: TypeError: the job is wrong');
    expect((error.cause as Error).stack).toContain('job.mjs');
  });

  it('when a job ends its thread, naming the rank and the code', async () => {
    const error = await errorOf(run('exit', 3));
    expect(error.failure.rank).toBe(1);
    expect(error.message).toContain('exited with code: 9');
  });

  it('when a job returns while the others wait for it', async () => {
    const error = await errorOf(run('leave', 3));
    expect(error.message).toMatch(
      /rank [02], in allReduce\(max, float32\) of length 5, call 1: rank 1 has/,
    );
  });

  it('when a job is late, naming the missing rank', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const error = await errorOf(run('late', 2, { timeoutMs: 200, args: { shared } }));
    expect(error.failure).toMatchObject({
      rank: 0,
      collective: 'barrier "meeting", call 1',
      missing: [1],
    });
  });

  it('when jobs call different collectives, naming both', async () => {
    const error = await errorOf(run('differ', 2));
    expect(error.message).toContain(
      'rank 0 allGather(float32) of length 2, call 1; rank 1 barrier, call 1',
    );
  });

  it('when a job misuses a collective, with a UsageError', async () => {
    const error = await errorOf(run('misuse', 2));
    expect(error.name).toBe('UsageError');
    expect(error.message).toMatch(/the root of broadcast: expected .*, got 99/);
  });

  it('modules that do not exist, fail, or have no default function, by name', async () => {
    const cases = [
      ['missing.mjs', 'Cannot find module'],
      ['broken.mjs', 'half a module'],
      ['noDefault.mjs', 'the default export of'],
    ] as const;
    for (const [file, reason] of cases) {
      const error = await errorOf(
        launch(new URL(`../support/jobs/${file}`, import.meta.url), { workers: 2 }),
      );
      expect(error.name).toBe('UsageError');
      expect(error.message).toContain(file);
      expect(error.message).toContain(reason);
    }
  });

  it('options that make no sense', async () => {
    for (const options of [{ workers: 0 }, { workers: 1.5 }, { workers: 2, timeoutMs: -1 }]) {
      expect((await errorOf(launch(JOB, options))).name).toBe('UsageError');
    }
    const error = await errorOf(launch(JOB, { workers: 2, args: () => 1 }));
    expect(error.name).toBe('UsageError');
    expect(error.message).toContain('could not be cloned');
  });
});

describe('a process that has launched', () => {
  for (const what of ['sum', 'throw', 'exit', 'leave']) {
    it(`exits by itself soon after the job: ${what}`, async () => {
      const script = `
        import { launch } from ${JSON.stringify(BUILT_URL)};
        const options = { workers: 3, args: { what: '${what}' } };
        const launched = launch(${JSON.stringify(JOB.href)}, options);
        const end = await launched.then(() => 'ok', () => 'error');
        console.log(end);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      const [output] = await once(child.stdout, 'data');
      const settledMs = nowMs();
      expect(String(output).trim()).toBe(what === 'sum' ? 'ok' : 'error');
      expect(await exited).toEqual([0, null]);
      expect(nowMs() - settledMs).toBeLessThan(AT_ONCE_MS);
    });
  }
});
