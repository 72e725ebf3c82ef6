// What workers publish: together all that a step shares, each part by one worker alone.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/synthetic.ts';
import type { Region } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import type { NormRequest } from '../../src/nn/convert/normRequest.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import {
  publishedGradients,
  publishedSquares,
  publishedStatistics,
  publishedWeights,
} from '../../src/plan/published.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import type { PublishedRange } from '../../src/sync/call.ts';

const data = synthetic({ train: 64, test: 8, shape: [8, 8, 3], classes: 5 });
const refnet = namedModel('refnet', { inputShape: data.inputShape, classes: 5 });

function planOf(workers: number, to: NormRequest['to'] = 'sync'): RunPlan {
  const model = convertNorm(refnet, { to });
  const options = { model, data, optimizer: sgd({ lr: 0.1, momentum: 0.9 }), globalBatch: 32 };
  return planRun(resolveOptions({ ...options, workers, clipNorm: 1 }));
}

const WORKERS = [1, 2, 3, 5];

type Publishes = (plan: RunPlan, rank: number) => readonly PublishedRange[];

/** All ranges, with who publishes them, by their places. */
function rangesOf(plan: RunPlan, publishes: Publishes) {
  return plan.workers
    .flatMap(({ rank }) => publishes(plan, rank).map((range) => ({ ...range, rank })))
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .sort((a, b) => a.offsetBytes - b.offsetBytes);
}

/** Bytes of a region that ranges cover. */
function coveredBytes(region: Region, ranges: readonly PublishedRange[]): number {
  const end = region.offsetBytes + region.sizeBytes;
  return ranges
    .filter(({ offsetBytes }) => offsetBytes >= region.offsetBytes && offsetBytes < end)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

const CALLS: readonly (readonly [name: string, publishes: Publishes])[] = [
  ['gradients', publishedGradients],
  ['squares', publishedSquares],
  ['weights', publishedWeights],
  ['statistics', publishedStatistics],
];

describe.each(WORKERS)('on %d workers', (workers) => {
  it.each(CALLS)('no two publish the same with the %s', (_name, publishes) => {
    for (const to of ['sync', 'local', 'instance'] as const) {
      const ranges = rangesOf(planOf(workers, to), publishes);
      for (const [i, { offsetBytes }] of ranges.slice(1).entries()) {
        expect(offsetBytes).toBeGreaterThanOrEqual(ranges[i]!.offsetBytes + ranges[i]!.sizeBytes);
      }
    }
  });

  it('all subtrees, sums and votes go with the gradients', () => {
    const plan = planOf(workers);
    const ranges = rangesOf(plan, publishedGradients);
    const { grainSums, votes } = plan.regions.control;
    const wholes = [grainSums, votes, ...plan.nodes.flatMap(({ narrow, wide }) => [narrow, wide])];
    for (const region of wholes) expect(coveredBytes(region, ranges)).toBe(region.sizeBytes);
  });

  it('all weights and running statistics go with the weights', () => {
    const plan = planOf(workers);
    const ranges = rangesOf(plan, publishedWeights);
    const { parameters, regions } = plan;
    const countOf = (entries: readonly { readonly length: number }[]): number =>
      entries.reduce((sum, { length }) => sum + length, 0);
    expect(coveredBytes(regions.parameters.values, ranges)).toBe(4 * countOf(parameters.entries));
    expect(coveredBytes(regions.parameters.buffers, ranges)).toBe(8 * countOf(parameters.buffers));
    const squares = rangesOf(plan, publishedSquares);
    const { sizeBytes } = regions.parameters.squares;
    expect(coveredBytes(regions.parameters.squares, squares)).toBe(sizeBytes);
  });

  it('each reduction publishes the roots of the subtrees that others finish', () => {
    const plan = planOf(workers);
    for (const { workers: parts, needsExchange, leafPtrs } of plan.reductions.values()) {
      const starts = parts.flatMap(({ published }) => published.map((range) => range.offsetBytes));
      const expected = needsExchange ? plan.nodes.map(({ lo }) => leafPtrs[lo]!) : [];
      expect(starts).toEqual(expected);
    }
  });
});
