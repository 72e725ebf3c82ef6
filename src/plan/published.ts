// What each worker publishes at the synchronizations of a step: the parts of the arena that it has
// written and others read from then on. Reductions and the order of an epoch say their own.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { GRAIN_SUMS } from '../reduce/epochSums.ts';
import type { PublishedRange } from '../sync/call.ts';
import { ownedBlocks, type ParameterBlock } from './parameters.ts';
import type { RunPlan } from './plan.ts';
import { VOTE_STRIDE } from './regions.ts';

const WORD_BYTES = 4;

/** With the gradients: their subtrees, the sums of losses and hits, the vote about this worker's
 * part, and the folded statistics that running ones are updated by. */
export function publishedGradients(plan: RunPlan, rank: number): readonly PublishedRange[] {
  const { control } = plan.regions;
  const { grains, nodes } = plan.workers[rank]!;
  const grainBytes = GRAIN_SUMS * DOUBLE_BYTES;
  return [
    ...nodes.flatMap(({ narrow, wide }) => [narrow, wide]),
    {
      offsetBytes: control.grainSums.offsetBytes + grains.lo * grainBytes,
      sizeBytes: (grains.hi - grains.lo) * grainBytes,
    },
    votesOf(plan, rank),
    ...[...plan.reductions.values()].flatMap(({ declared, workers }) =>
      declared.combine === 'moments' ? workers[rank]!.folded : [],
    ),
  ];
}

/** With the norm of the gradient: the sums of squares of this worker's blocks. */
export function publishedSquares(plan: RunPlan, rank: number): readonly PublishedRange[] {
  const { lo, hi } = ownedBlocks(plan.parameters.blocks, plan.config.workers)[rank]!;
  const { offsetBytes } = plan.regions.parameters.squares;
  return [{ offsetBytes: offsetBytes + lo * DOUBLE_BYTES, sizeBytes: (hi - lo) * DOUBLE_BYTES }];
}

/** With the weights: this worker's blocks of them, the running statistics of its layers, and the
 * vote about both. */
export function publishedWeights(plan: RunPlan, rank: number): readonly PublishedRange[] {
  const { parameters, config } = plan;
  const { lo, hi } = ownedBlocks(parameters.blocks, config.workers)[rank]!;
  return [
    ...parameters.blocks.slice(lo, hi).map((block) => blockOf(plan, block)),
    ...publishedStatistics(plan, rank),
    votesOf(plan, rank),
  ];
}

/** The running statistics of the layers that a worker owns. */
export function publishedStatistics(plan: RunPlan, rank: number): readonly PublishedRange[] {
  const { parameters, regions, config, graph } = plan;
  const owned = new Set(
    graph.operations.flatMap((operation) =>
      operation.op === 'layer' && operation.index % config.workers === rank ? operation.path : [],
    ),
  );
  const { offsetBytes } = regions.parameters.buffers;
  return parameters.buffers
    .filter(({ layerPath }) => owned.has(layerPath))
    .map(({ offset, length }) => ({
      offsetBytes: offsetBytes + offset * DOUBLE_BYTES,
      sizeBytes: length * DOUBLE_BYTES,
    }));
}

function blockOf({ regions }: RunPlan, { entry, start, length }: ParameterBlock): PublishedRange {
  const { offsetBytes } = regions.parameters.values;
  return {
    offsetBytes: offsetBytes + (entry.offset + start) * FLOAT_BYTES,
    sizeBytes: length * FLOAT_BYTES,
  };
}

function votesOf({ regions }: RunPlan, rank: number): PublishedRange {
  const sizeBytes = VOTE_STRIDE * WORD_BYTES;
  return { offsetBytes: regions.control.votes.offsetBytes + rank * sizeBytes, sizeBytes };
}
