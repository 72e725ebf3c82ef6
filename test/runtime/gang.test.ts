// Gangs of real threads: their answers, their common end, and that no thread outlives close().

import { createRequire } from 'node:module';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RunError, UsageError } from '../../src/base/errors.ts';
import { type Gang, type GangOptions, startGang } from '../../src/runtime/gang.ts';
import { isAborted } from '../../src/sync/abort.ts';
import {
  type ControlWords,
  controlWordCount,
  initControlWords,
  rankWord,
  STATE,
  State,
} from '../../src/sync/words.ts';
import { AT_ONCE_MS } from '../support/atOnce.ts';
import { bundle, until } from '../support/ranks/threads.ts';
import type { Mischief, TestApi, TestData } from './gangWorker.ts';

/** (module (import "env" "memory" (memory 1 1 shared)) (func (export "load") (result i32)
 *   i32.const 0 i32.load)) */
const LOADER = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 2, 16, 1, 3, 101, 110, 118, 6, 109, 101, 109,
  111, 114, 121, 2, 3, 1, 1, 3, 2, 1, 0, 7, 8, 1, 4, 108, 111, 97, 100, 0, 0, 10, 9, 1, 7, 0, 65, 0,
  40, 2, 0, 11,
]);

/** The id of a thread that has ended. */
const GONE = -1;

let entry: string;
let gang: Gang<TestApi> | undefined;
let words: ControlWords;
let cells: Int32Array;

/** Every thread that was started, also by Piscina: the constructor is replaced by one that notes
 * it. */
const threads: Worker[] = [];
const workerThreads: { Worker: typeof Worker } = createRequire(import.meta.url)(
  'node:worker_threads',
);
const OriginalWorker = workerThreads.Worker;

beforeAll(async () => {
  workerThreads.Worker = new Proxy(OriginalWorker, {
    construct(target, args: [string]) {
      const thread = new target(...args);
      threads.push(thread);
      return thread;
    },
  });
  entry = await bundle('test/runtime/gangWorker.ts', 'gangWorker');
});

afterEach(async () => {
  await gang?.close();
  gang = undefined;
  expect(threads.filter((thread) => thread.threadId !== GONE)).toEqual([]);
  threads.length = 0;
});

afterAll(() => {
  workerThreads.Worker = OriginalWorker;
});

async function start(
  workers: number,
  data: Partial<TestData> = {},
  options: Partial<GangOptions<TestData>> = {},
): Promise<Gang<TestApi>> {
  words = new Int32Array(new SharedArrayBuffer(controlWordCount(workers) * 4));
  initControlWords(words, workers);
  cells = new Int32Array(new SharedArrayBuffer(4));
  gang = await startGang<TestApi, TestData>({
    workers,
    entry,
    words,
    dataOf: () => ({ cells, ...data }),
    layerNames: ['0.conv2d', '1.batchNorm'],
    ...options,
  });
  return gang;
}

/** All ranks wait in a barrier, but for one, which misbehaves once the others sleep. */
async function waitBut(rank: number, mischief: Mischief): Promise<RunError> {
  const waiting = [0, 1, 2].filter((other) => other !== rank);
  const calls = waiting.map((other) => gang!.call(other, (api) => api.wait('none')));
  const settled = Promise.allSettled(calls);
  await until(() =>
    waiting.every((other) => Atomics.load(words, rankWord(other) + STATE) === State.waiting),
  );
  const startMs = performance.now();
  const error = await gang!.call(rank, (api) => api.wait(mischief)).catch((thrown) => thrown);
  for (const result of await settled) {
    expect(result).toMatchObject({ status: 'rejected', reason: error });
  }
  expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
  // The others have left their waits by themselves, they were not terminated.
  await until(() =>
    waiting.every((other) => Atomics.load(words, rankWord(other) + STATE) === State.running),
  );
  return error;
}

describe('a gang', () => {
  it('answers typed calls, each rank for itself and all in rank order', async () => {
    const { call, callAll, threadIds } = await start(3);
    expect(new Set(threadIds).size).toBe(3);
    expect(await call(2, (api) => api.echo(40))).toBe(42);
    expect(await callAll((api, rank) => api.echo(rank * 10))).toEqual([0, 11, 22]);
    expect(await callAll((api) => api.wait('none'))).toEqual([
      'rank 0 passed',
      'rank 1 passed',
      'rank 2 passed',
    ]);
  });

  it('hands shared WebAssembly memory and a compiled module to its workers', async () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const { callAll } = await start(2, { memory, module: new WebAssembly.Module(LOADER) });
    for (const value of [7, 8]) {
      new Int32Array(memory.buffer)[0] = value;
      expect(await callAll((api) => api.readShared())).toEqual([value, value]);
    }
  });

  it('refuses a nonexistent rank', async () => {
    const { call } = await start(1);
    await expect(call(1, (api) => api.echo(1))).rejects.toThrow(UsageError);
  });

  it('does not answer after it is closed, and may be closed again', async () => {
    const { call, close } = await start(2);
    await close();
    await close();
    await expect(call(0, (api) => api.echo(1))).rejects.toThrow('the gang is closed');
  });

  it('closes while its workers wait, and rejects the pending calls', async () => {
    const { call, close } = await start(2);
    const waiting = call(0, (api) => api.wait('none')).catch((error) => error);
    await until(() => Atomics.load(cells, 0) === 1);
    await close();
    expect(String(await waiting)).toContain('the gang was closed');
  });

  it('closes even if a worker never listens', async () => {
    const { call, close } = await start(2);
    const hanging = call(1, (api) => api.hang()).catch((error) => error);
    await until(() => Atomics.load(cells, 0) === 1);
    await close();
    expect(String(await hanging)).toContain('the gang was closed');
  });
});

describe('a gang of three, of which one', () => {
  it('throws, rejects every call with an error that names it and its place', async () => {
    await start(3);
    const error = await waitBut(1, 'throw');
    expect(error).toBeInstanceOf(RunError);
    expect(error.failure).toEqual({
      rank: 1,
      step: 5,
      layer: '1.batchNorm',
      reason: 'TypeError: x is not a number',
    });
    expect((error.cause as Error).stack).toContain('gangWorker');
  });

  it('calls process.exit, rejects every call and reports the death', async () => {
    const deaths: unknown[] = [];
    await start(3, {}, { onDeath: (error, rank) => deaths.push([rank, error]) });
    const error = await waitBut(1, 'exit');
    expect(error.failure).toMatchObject({ rank: 1, step: 5, layer: '1.batchNorm' });
    expect(error.failure.reason).toContain('exited with code: 3');
    expect(deaths).toEqual([[1, error]]);
    await expect(gang!.call(0, (api) => api.echo(1))).rejects.toBe(error);
  });

  it('is terminated, rejects every call', async () => {
    const { threadIds, callAll } = await start(3);
    const waiting = [0, 2].map((rank) => gang!.call(rank, (api) => api.wait('none')));
    const settled = Promise.allSettled(waiting);
    await until(() =>
      [0, 2].every((rank) => Atomics.load(words, rankWord(rank) + STATE) === State.waiting),
    );
    const startMs = performance.now();
    void threads.find((thread) => thread.threadId === threadIds[1])!.terminate();
    for (const result of await settled) {
      expect(result.status).toBe('rejected');
      expect(String((result as PromiseRejectedResult).reason)).toContain('rank 1: worker exited');
    }
    expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
    await expect(callAll((api) => api.echo(1))).rejects.toThrow('rank 1: worker exited');
  });

  it('throws outside of any call, rejects every call', async () => {
    await start(3);
    const error = await waitBut(0, 'throwLater');
    expect(error.failure).toMatchObject({ rank: 0, reason: 'from a timer' });
  });

  it('throws a UsageError, rejects every call with a UsageError', async () => {
    await start(3);
    const error: unknown = await waitBut(2, 'usage');
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).details).toMatchObject({ what: 'lr', given: -1 });
  });

  it('hangs, rejects every call after its timeout', async () => {
    const { call } = await start(3);
    const waiting = call(0, (api) => api.wait('none')).catch((error) => error);
    await until(() => Atomics.load(cells, 0) === 1);
    const error = await call(1, (api) => api.hang(), { timeoutMs: 50 }).catch((thrown) => thrown);
    expect(String(error)).toContain('rank 1: its thread did not answer within 50 ms');
    expect(await waiting).toBe(error);
  });

  it('returns what cannot be posted, rejects the call', async () => {
    const { call } = await start(3);
    const error = (await call(1, (api) => api.unpostable()).catch((thrown) => thrown)) as RunError;
    expect(error).toBeInstanceOf(RunError);
    expect(error.failure).toMatchObject({ rank: 1 });
    expect(isAborted(words)).toBe(true);
  });
});

describe('a gang that does not start', () => {
  it('names the rank that threw', async () => {
    await expect(start(3, { failStart: 'throw' })).rejects.toThrow(
      'rank 1: RangeError: no such model',
    );
  });

  it('names the rank of a thread that ended', async () => {
    await expect(start(3, { failStart: 'exit' })).rejects.toThrow('exited with code: 7');
  });

  it('names the rank that never got ready', async () => {
    await expect(start(3, { failStart: 'hang' }, { startTimeoutMs: 1500 })).rejects.toThrow(
      'rank 1: its thread was not ready within 1500 ms',
    );
  });

  it('names a file that does not exist', async () => {
    const missing = new URL('./missing.js', import.meta.url);
    await expect(start(1, {}, { entry: missing })).rejects.toThrow(UsageError);
  });
});
