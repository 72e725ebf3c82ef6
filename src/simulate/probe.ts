// What one thread of a group measures of the machine: the wait at a barrier, an all-reduce of as
// many numbers as the network has parameters, and passes over activations. Runs as a job of launch.

import type { JobContext } from '../runtime/launchWorker.ts';

export interface ProbeArgs {
  /** Numbers of the all-reduce. */
  readonly parameters: number;
  /** Numbers of an array that is copied; about an activation of one worker. */
  readonly activations: number;
  readonly rounds: number;
}

/** Medians, in microseconds. */
export interface ProbeResult {
  readonly barrierUs: number;
  readonly allReduceUs: number;
  /** Of one number read and written, with all threads at it. */
  readonly copyUsPerNumber: number;
}

/** Barriers between two looks at the clock, which costs as much as one of them. */
const BARRIERS = 100;
const COPIES = 4;

export function probe({ group, args }: JobContext<ProbeArgs>): ProbeResult {
  const { parameters, activations, rounds } = args;
  const gradients = group.allocate('float32', parameters);
  const from = new Float32Array(activations).fill(1);
  const to = new Float32Array(activations);
  const barriers: number[] = [];
  const allReduces: number[] = [];
  const copies: number[] = [];
  for (let round = 0; round < rounds; round++) {
    group.barrier();
    barriers.push(
      timeUs(BARRIERS, () => {
        group.barrier();
      }),
    );
    allReduces.push(
      timeUs(1, () => {
        group.allReduce(gradients, 'sum');
      }),
    );
    group.barrier();
    copies.push(timeUs(COPIES, () => to.set(from)) / activations);
  }
  return {
    barrierUs: medianOf(barriers),
    allReduceUs: medianOf(allReduces),
    copyUsPerNumber: medianOf(copies),
  };
}

function timeUs(count: number, run: () => void): number {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) run();
  return ((performance.now() - startMs) * 1000) / count;
}

/** The middle value, of an even number of values the mean of both in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}
