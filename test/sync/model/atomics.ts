// Atomics under a scheduler: each operation on the memory under test is a scheduling point first,
// and waiting and notifying happen in the scheduler instead of the system; copies of bytes are torn
// into halves. Everything else, including Atomics on other memory, works as usual. Time advances
// only when the clock is read, so timeouts depend only on the schedule.

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
  'copy',
] as const;

/** How far each look at the clock advances it. A reader waits 100 ms for an abort record that is
 * never completed, which takes a thousand looks. */
const TICK_MS = 0.1;

type Words = Int32Array<SharedArrayBuffer>;

/** The memory under test. */
export interface Watched {
  /** What the scheduler calls the first word of a buffer; undefined where it is not under test. */
  readonly firstWordOf: (buffer: ArrayBufferLike) => number | undefined;
  /** Whether waits there may end by their timeout, which takes {@link Scheduler.letTimePass}. */
  readonly mayTimeOut: (buffer: ArrayBufferLike) => boolean;
}

type Operation = (words: Words, index: number, ...values: number[]) => number;

/** Puts the global Atomics, copies of bytes and the clock under the scheduler, while
 * {@link Scheduler.schedules}. */
export function installAtomics(scheduler: Scheduler, watched: Watched): void {
  const wordOf = ({ buffer, byteOffset }: Words | Uint8Array, index = 0): number | undefined => {
    const first = scheduler.schedules ? watched.firstWordOf(buffer) : undefined;
    return first === undefined ? undefined : first + (byteOffset >> 2) + index;
  };
  const wrapped = OPERATIONS.slice(0, OPERATIONS.indexOf('wait')).map((name, operation) => {
    const run = (real as unknown as Record<string, Operation>)[name]!;
    const scheduled: Operation = (words, index, ...values) => {
      const word = wordOf(words, index);
      if (word !== undefined) scheduler.point(operation, word);
      return run(words, index, ...values);
    };
    return [name, scheduled] as const;
  });
  const wait = (words: Words, index: number, value: number, timeoutMs?: number) => {
    const word = wordOf(words, index);
    if (word === undefined) return real.wait(words, index, value, timeoutMs);
    scheduler.point(OPERATIONS.indexOf('wait'), word);
    if (real.load(words, index) !== value) return 'not-equal';
    scheduler.block(word, timeoutMs !== undefined && watched.mayTimeOut(words.buffer));
    return 'ok';
  };
  const notify = (words: Words, index: number, count = Number.POSITIVE_INFINITY) => {
    const word = wordOf(words, index);
    if (word === undefined) return real.notify(words, index, count);
    scheduler.point(OPERATIONS.indexOf('notify'), word);
    return scheduler.wake(word, count);
  };
  const others = { wait, notify, isLockFree: (size: number) => real.isLockFree(size) };
  const shim = { ...Object.fromEntries(wrapped), ...others };
  globalThis.Atomics = shim as unknown as typeof Atomics;
  installCopies(scheduler, wordOf);
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

function installCopies(
  scheduler: Scheduler,
  wordOf: (bytes: Uint8Array) => number | undefined,
): void {
  const operation = OPERATIONS.indexOf('copy');
  const copy = Uint8Array.prototype.set;
  Object.defineProperty(Uint8Array.prototype, 'set', {
    configurable: true,
    value(this: Uint8Array, from: Uint8Array, offset = 0) {
      const word = wordOf(this) ?? wordOf(from);
      if (word === undefined) {
        copy.call(this, from, offset);
        return;
      }
      const half = from.length >> 1;
      scheduler.point(operation, word);
      copy.call(this, from.subarray(0, half), offset);
      scheduler.point(operation, word);
      copy.call(this, from.subarray(half), offset + half);
    },
  });
}
