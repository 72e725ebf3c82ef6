// Atomics under a scheduler: each operation on the memory under test is a scheduling point first,
// and waiting and notifying happen in the scheduler instead of the system. Everything else, also
// Atomics on other memory, is as always. Time stands still but for being asked, so that timeouts
// depend on the schedule alone.

import type { Scheduler } from './scheduler.ts';

const real = Atomics;

/** What the scheduler's reports call operations, by number. */
export const OPERATIONS = [
  'load',
  'store',
  'add',
  'sub',
  'and',
  'or',
  'xor',
  'exchange',
  'compareExchange',
  'wait',
  'notify',
  'kernel',
] as const;

/** How far a look at the clock moves it on. A reader gives an abort record that nobody completes
 * 100 ms, which are a thousand looks. */
const TICK_MS = 0.1;

type Words = Int32Array<SharedArrayBuffer>;
type Operation = (words: Words, index: number, ...values: number[]) => number;

/** Puts the global Atomics and the clock under the scheduler, for operations on this memory while
 * {@link Scheduler.schedules}. */
export function installAtomics(scheduler: Scheduler, isWatched: (words: Words) => boolean): void {
  const wrapped = OPERATIONS.slice(0, OPERATIONS.indexOf('wait')).map((name, operation) => {
    const run = (real as unknown as Record<string, Operation>)[name]!;
    const scheduled: Operation = (words, index, ...values) => {
      if (scheduler.schedules && isWatched(words)) {
        scheduler.point(operation, words.byteOffset / 4 + index);
      }
      return run(words, index, ...values);
    };
    return [name, scheduled] as const;
  });
  const wait = (words: Words, index: number, value: number, timeoutMs?: number) => {
    if (!scheduler.schedules || !isWatched(words)) return real.wait(words, index, value, timeoutMs);
    const word = words.byteOffset / 4 + index;
    scheduler.point(OPERATIONS.indexOf('wait'), word);
    if (real.load(words, index) !== value) return 'not-equal';
    scheduler.block(word);
    return 'ok';
  };
  const notify = (words: Words, index: number, count = Number.POSITIVE_INFINITY) => {
    if (!scheduler.schedules || !isWatched(words)) return real.notify(words, index, count);
    const word = words.byteOffset / 4 + index;
    scheduler.point(OPERATIONS.indexOf('notify'), word);
    return scheduler.wake(word, count);
  };
  const others = { wait, notify, isLockFree: (size: number) => real.isLockFree(size) };
  const shim = { ...Object.fromEntries(wrapped), ...others };
  globalThis.Atomics = shim as unknown as typeof Atomics;
  let nowMs = 0;
  Object.defineProperty(globalThis, 'performance', {
    configurable: true,
    value: {
      now: () => {
        nowMs += TICK_MS;
        return nowMs;
      },
    },
  });
}
