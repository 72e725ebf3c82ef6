// What each thread does for the all-reduce and barrier benchmarks: every collective is checked,
// warmed up, then timed by rank 0's clock. The peers' programs (bench/peers/openmpi_all_reduce.c,
// bench/peers/gloo_all_reduce.py) measure in the same way, step by step.

import { hrtime } from 'node:process';
import { InvariantError } from '../../src/base/errors.ts';
import type { Group, JobContext } from '../../src/collectives.ts';
import { type Summary, summarize } from '../stats.ts';
import { fromRoot } from './fromRoot.ts';

export type DType = 'float32' | 'float64';
/** `shared` comes from group.allocate and is used in place; `private` is an ordinary array. */
export type ArrayMemory = 'shared' | 'private';

/** One all-reduce; null is the barrier. */
export type Setting = {
  readonly bytes: number;
  readonly dtype: DType;
  readonly memory: ArrayMemory;
} | null;

export interface CollectiveArgs {
  readonly settings: readonly Setting[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Least duration of a batch of calls, so that reading the clock does not count; 0 for single
   * calls. */
  readonly targetUs: number;
}

/** Calls are timed in batches of `calls`, `batches` of them in a round. */
interface Plan {
  readonly batches: number;
  readonly calls: number;
}

/** Duration of calls before rank 0 decides whether to continue. */
const ROUND_US = 20_000;
const WARM_UP: Plan = { batches: 2, calls: 1 };
/** The first setting warms up this many times as long, since the threads and their code are new. */
const FIRST_WARM_UPS = 5;
const MIN_SAMPLES = 3;
/** Elements of the check repeat with this period, a prime. */
const CHECK_PERIOD = 1021;
/** How late a rank enters the checked barrier. */
const LATE_MS = 2;
const NS_PER_US = 1000;

type FloatArray = Float32Array | Float64Array;

/** Measures all settings; the result of rank 0 has a summary in microseconds for each. */
export default function job(context: JobContext<CollectiveArgs>): readonly Summary[] {
  const { group, args } = context;
  const buffers = allocateBuffers(group, args.settings);
  return args.settings.map((setting, i) => {
    const array = setting === null ? null : viewOf(buffers[setting.memory], setting);
    if (array === null) checkBarrier(group);
    else checkSum(group, array);
    const seconds = args.warmUpSeconds * (i === 0 ? FIRST_WARM_UPS : 1);
    const warmUp = repeat({ group, array, plan: WARM_UP, seconds });
    // A single call is timed with its clock reads, so the first plan has too few calls; the second
    // is right.
    const singleUs = fromRoot(group, group.rank === 0 ? summarize(warmUp).p50 : 0);
    const again = repeat({ group, array, plan: planOf(singleUs, args.targetUs), seconds });
    const callUs = fromRoot(group, group.rank === 0 ? summarize(again).p50 : 0);
    const plan = planOf(callUs, args.targetUs);
    const samples = repeat({ group, array, plan, seconds: args.seconds });
    if (array !== null) checkSum(group, array);
    return group.rank === 0 ? summarize(samples) : { min: 0, p50: 0, p99: 0 };
  });
}

type Buffers = Readonly<Record<ArrayMemory, ArrayBufferView>>;

/** One buffer of each kind for all settings. */
function allocateBuffers(group: Group, settings: readonly Setting[]): Buffers {
  const mostOf = (memory: ArrayMemory): number =>
    Math.max(0, ...settings.map((setting) => (setting?.memory === memory ? setting.bytes : 0)));
  const elementBytes = Float64Array.BYTES_PER_ELEMENT;
  return {
    shared: group.allocate('float64', mostOf('shared') / elementBytes),
    private: new Float64Array(mostOf('private') / elementBytes),
  };
}

function viewOf(
  { buffer, byteOffset }: ArrayBufferView,
  { bytes, dtype }: NonNullable<Setting>,
): FloatArray {
  return dtype === 'float32'
    ? new Float32Array(buffer, byteOffset, bytes / Float32Array.BYTES_PER_ELEMENT)
    : new Float64Array(buffer, byteOffset, bytes / Float64Array.BYTES_PER_ELEMENT);
}

/** Rank r gives (r + 1) * (i % period + 1); the sum is exact in both types. */
function checkSum(group: Group, array: FloatArray): void {
  const { rank, worldSize } = group;
  for (let i = 0; i < array.length; i++) array[i] = (rank + 1) * ((i % CHECK_PERIOD) + 1);
  group.allReduce(array, 'sum');
  for (let i = 0; i < array.length; i++) {
    const expected = ((worldSize * (worldSize + 1)) / 2) * ((i % CHECK_PERIOD) + 1);
    if (array[i] === expected) continue;
    throw new InvariantError(`sum ${i} of ${array.length} on rank ${rank}`, array[i], expected);
  }
}

/** Each rank is late once: no other may leave before it has entered. */
function checkBarrier(group: Group): void {
  const { rank, worldSize } = group;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let late = 0; late < worldSize; late++) {
    Atomics.wait(sleeper, 0, 0, rank === late ? LATE_MS : 0);
    const entry = new Float64Array([nowUs()]);
    group.barrier();
    const exit = new Float64Array([nowUs()]);
    group.allReduce(entry, 'max');
    group.allReduce(exit, 'min');
    if (exit[0]! >= entry[0]!) continue;
    throw new InvariantError('the first exit of a barrier', exit[0], `from ${entry[0]} us on`);
  }
}

/** Enters a barrier and makes one untimed call, then the batches, until rank 0 has enough. All
 * elements are 0, so that their sums stay normal numbers; the sums are checked before and after.
 * Only rank 0 returns samples, in microseconds per call. */
function repeat(run: {
  readonly group: Group;
  readonly array: FloatArray | null;
  readonly plan: Plan;
  readonly seconds: number;
}): number[] {
  const { group, array, plan, seconds } = run;
  const isTimer = group.rank === 0;
  const endMs = performance.now() + seconds * 1000;
  const samples: number[] = [];
  let goesOn = true;
  array?.fill(0);
  while (goesOn) {
    group.barrier();
    callTimes(group, array, 1);
    let beforeMs = performance.now();
    for (let batch = 0; batch < plan.batches; batch++) {
      callTimes(group, array, plan.calls);
      const afterMs = performance.now();
      if (isTimer) samples.push(((afterMs - beforeMs) * 1000) / plan.calls);
      beforeMs = afterMs;
    }
    const isEnough = performance.now() >= endMs && samples.length >= MIN_SAMPLES;
    goesOn = fromRoot(group, isEnough ? 0 : 1) === 1;
  }
  return samples;
}

function callTimes(group: Group, array: FloatArray | null, times: number): void {
  if (array === null) {
    for (let i = 0; i < times; i++) group.barrier();
  } else {
    for (let i = 0; i < times; i++) group.allReduce(array, 'sum');
  }
}

function planOf(callUs: number, targetUs: number): Plan {
  let calls = 1;
  while (calls * callUs < targetUs) calls *= 2;
  return { batches: Math.max(1, Math.floor(ROUND_US / (calls * callUs))), calls };
}

/** The same clock on all threads. */
function nowUs(): number {
  return Number(hrtime.bigint()) / NS_PER_US;
}
