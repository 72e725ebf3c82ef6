// What one thread of a group measures on the machine: the wait at a barrier, an all-reduce of as
// many numbers as the network has parameters, passes over activations, and repetitions of the same
// work, which show how long two threads wait for the slower one. Runs as a job of launch.

import { medianOf } from '../base/median.ts';
import type { JobContext } from '../runtime/launchWorker.ts';

export interface ProbeArgs {
  /** Length of the all-reduce. */
  readonly parameters: number;
  /** Length of an array that is copied; about an activation of one worker. */
  readonly activations: number;
  readonly rounds: number;
  /** Approximate duration of a stretch of work between two barriers: a step. */
  readonly stretchMs: number;
  /** Stretches per round. */
  readonly stretches: number;
}

/** Medians, in microseconds. */
interface ProbeTimes {
  readonly barrierUs: number;
  readonly allReduceUs: number;
  /** Per number read and written, with all threads copying. */
  readonly copyUsPerNumber: number;
}

/** What one thread found. */
export interface ThreadProbe extends ProbeTimes {
  /** Milliseconds of each stretch of equal work, by round; all threads begin each one together. */
  readonly stretchesMs: readonly (readonly number[])[];
}

/** What all threads found. */
export interface ProbeResult extends ProbeTimes {
  /** {@link stragglersOf} the threads' stretches. */
  readonly stragglers: number;
}

/** Barriers between two clock reads, since a read costs as much as a barrier. */
const BARRIERS = 100;
const COPIES = 4;

export function probe({ group, args }: JobContext<ProbeArgs>): ThreadProbe {
  const { parameters, activations, rounds, stretches } = args;
  const gradients = group.allocate('float32', parameters);
  const from = new Float32Array(activations).fill(1);
  const to = new Float32Array(activations);
  const barriers: number[] = [];
  const allReduces: number[] = [];
  const copies: number[] = [];
  const stretchesMs: number[][] = [];
  sumOfSquares(from);
  const passes = Math.ceil((args.stretchMs * 1000) / timeUs(COPIES, () => sumOfSquares(from)));
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
    stretchesMs.push(
      Array.from({ length: stretches }, () => {
        group.barrier();
        return (passes * timeUs(passes, () => sumOfSquares(from))) / 1000;
      }),
    );
  }
  return {
    barrierUs: medianOf(barriers),
    allReduceUs: medianOf(allReduces),
    copyUsPerNumber: medianOf(copies),
    stretchesMs,
  };
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

/** The time until the slower thread finishes over the threads' mean: per round, summed over its
 * stretches, then the median over the rounds. Each thread's times are relative to its own median,
 * since a difference in the amount of work is not chance. */
export function stragglersOf(threads: readonly ThreadProbe['stretchesMs'][]): number {
  const scaled = threads.map((rounds) => {
    const typicalMs = medianOf(rounds.flat());
    return rounds.map((stretches) => stretches.map((ms) => ms / typicalMs));
  });
  const rounds = scaled[0]!.map((stretches, round) => {
    const times = stretches.map((_, i) => scaled.map((thread) => thread[round]![i]!));
    const slowest = times.reduce((sum, of) => sum + Math.max(...of), 0);
    const mean = times.reduce((sum, of) => sum + of.reduce((a, b) => a + b) / of.length, 0);
    return slowest / mean;
  });
  return medianOf(rounds);
}

function timeUs(count: number, run: () => void): number {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) run();
  return ((performance.now() - startMs) * 1000) / count;
}
