// Measures how far a system's answer is from the exact one, on a generated batch with many channels
// and ranks of given sizes. The worst channel counts.

import { ownFile } from '../../base/ownFile.ts';
import { Purpose, RandomStream } from '../../base/random.ts';
import { launch } from '../../runtime/launch.ts';
import {
  type ChannelBatch,
  type ChannelResult,
  CONVENTIONS,
  computeAs,
  computeExactly,
  type ExactResult,
} from './conventions.ts';
import type { OursArgs, OursFinding } from './ours.ts';

const EPS = 1e-5;
/** With this, the new running variance is the batch's variance. */
const MOMENTUM = 1;
/** Replaces larger values and NaN, because files can only hold numbers. */
export const ERROR_LIMIT = 1e9;

/** The name of this library among the systems. */
export const OURS = 'syncbn';

export const ERRORS = ['mean', 'variance', 'output', 'runningVar', 'gradient'] as const;
export type ErrorName = (typeof ERRORS)[number];

export interface BatchRequest {
  /** Values per channel of each rank. */
  readonly rows: readonly number[];
  readonly channels: number;
  /** The mean of all values, in standard deviations within a rank. */
  readonly mean: number;
  /** Standard deviation of the rank means. */
  readonly spread: number;
  readonly seed: number;
}

/** The errors of all systems and of this library, by `${system}.${error}`. */
export async function errorsOf(request: BatchRequest): Promise<Record<string, number>> {
  const batches = channelsOf(request);
  const exact = batches.map(computeExactly);
  const errors: Record<string, number> = {};
  const take = (name: string, results: readonly ChannelResult[]): void => {
    for (const error of ERRORS) {
      const each = results.map((result, c) => limit(errorIn(error, result, exact[c]!)));
      errors[`${name}.${error}`] = Math.max(...each);
    }
  };
  for (const convention of CONVENTIONS) {
    take(
      convention.name,
      batches.map((batch) => computeAs(convention, batch)),
    );
  }
  take(OURS, await resultsOfOurs(batches));
  return errors;
}

function limit(error: number): number {
  return Number.isNaN(error) ? ERROR_LIMIT : Math.min(error, ERROR_LIMIT);
}

/** Draws normal values around each rank's mean, and normal gradients. */
function channelsOf({ rows, channels, mean, spread, seed }: BatchRequest): ChannelBatch[] {
  const random = new RandomStream();
  return Array.from({ length: channels }, (_, channel) => {
    random.reset(seed, Purpose.synthetic, rows.length, channel);
    const normals = (count: number, center: number): Float32Array =>
      Float32Array.from({ length: count }, () => center + random.nextNormal());
    return {
      shards: rows.map((count) => normals(count, mean + spread * random.nextNormal())),
      gradients: rows.map((count) => normals(count, 0)),
      eps: EPS,
      momentum: MOMENTUM,
      runningVar: 1,
    };
  });
}

/** The error of the mean in standard deviations, of a variance as a share of it, the largest error
 * of an output, or the error of the gradient relative to the mean size of its terms. */
function errorIn(error: ErrorName, found: ChannelResult, exact: ExactResult): number {
  switch (error) {
    case 'mean':
      return Math.abs(found.mean - exact.mean) / Math.sqrt(exact.variance);
    case 'variance':
      return Math.abs(found.variance / exact.variance - 1);
    case 'output':
      return Math.max(
        ...found.outputs.flatMap((own, rank) =>
          Array.from(own, (y, i) => Math.abs(y - exact.outputs[rank]![i]!)),
        ),
      );
    case 'runningVar':
      return Math.abs(found.runningVar / exact.runningVar - 1);
    case 'gradient':
      return Math.abs(found.weightGrad - exact.weightGrad) / exact.gradientSize;
  }
}

/** Runs the batches through the library, with one thread per rank. */
async function resultsOfOurs(batches: readonly ChannelBatch[]): Promise<readonly ChannelResult[]> {
  const channels = batches.length;
  const { eps, momentum } = batches[0]!;
  const ranks = batches[0]!.shards.map((_, rank) => rank);
  const args: OursArgs = {
    channels,
    inputs: ranks.map((rank) => interleaved(batches.map(({ shards }) => shards[rank]!))),
    gradients: ranks.map((rank) => interleaved(batches.map(({ gradients }) => gradients[rank]!))),
    eps,
    momentum,
  };
  const found = await launch<OursFinding>(ownFile('#workers/peers.js'), {
    workers: ranks.length,
    args,
  });
  const { mean, variance, runningVar, weightGrad } = found[0]!;
  return batches.map((_, c) => ({
    mean: mean[c]!,
    variance: variance[c]!,
    runningVar: runningVar[c]!,
    weightGrad: weightGrad[c]!,
    outputs: found.map(({ outputs }) => outputs.filter((_, i) => i % channels === c)),
  }));
}

/** Interleaves [channels] lists of a rank's values into [rows, channels]. */
function interleaved(lists: readonly Float32Array[]): Float32Array {
  const channels = lists.length;
  const values = new Float32Array(channels * lists[0]!.length);
  for (const [c, list] of lists.entries()) {
    for (const [row, value] of list.entries()) values[row * channels + c] = value;
  }
  return values;
}
