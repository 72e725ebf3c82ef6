// Replaces the normalizations of a model, as PyTorch's convert_sync_batchnorm does and more: the
// way to compare batch normalization, synchronized or not, with its neighbours on one model.

import { UsageError } from '../base/errors.ts';
import type { Shape } from '../base/shape.ts';
import { buildGraph } from './graph.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from './norms.ts';
import { type LayerSpec, type LeafSpec, leavesOf, mapLeaves, sequential } from './spec.ts';

export const NORM_TARGETS = ['sync', 'local', 'group', 'layer', 'instance', 'none'] as const;
/** What to make of the normalizations. `none` takes them out. */
export type NormTarget = (typeof NORM_TARGETS)[number];

export interface ConvertNormOptions {
  readonly to: NormTarget;
  /** For `sync`: replicas that share statistics; default all. */
  readonly groupSize?: number;
  /** For `group`; where it does not divide a layer's channels, the next smaller divisor is taken.
   * Default 32, as Wu and He 2018. */
  readonly numGroups?: number;
  /** For `layer`, which has weights for every element: the shape of the model's input. */
  readonly inputShape?: Shape;
}

const DEFAULT_NUM_GROUPS = 32;

/** The same model with other normalizations, which keep their eps and affine; those that become
 * batch normalization keep momentum and trackRunningStats where they were batch normalization
 * before. */
export function convertNorm(model: LayerSpec, options: ConvertNormOptions): LayerSpec {
  const { to, inputShape } = options;
  if (!NORM_TARGETS.includes(to)) {
    throw new UsageError({ what: 'convertNorm to', given: to, allowed: NORM_TARGETS.join(', ') });
  }
  const shapes = to === 'layer' ? leafShapes(model, inputShape) : [];
  let index = 0;
  return mapLeaves(model, (leaf) => {
    const shape = shapes[index++];
    return isNorm(leaf) ? convertLeaf(leaf, options, shape) : leaf;
  });
}

/** The different normalizations of a model, for people: `batchNorm (sync)`, `groupNorm (8
 * groups)`. */
export function normsOf(model: LayerSpec): readonly string[] {
  const names = leavesOf(model)
    .filter(isNorm)
    .map((leaf) => {
      if (leaf.kind === 'batchNorm') {
        const { sync } = leaf;
        return `batchNorm (${typeof sync === 'number' ? `sync over ${sync} replicas` : sync})`;
      }
      return leaf.kind === 'groupNorm' ? `groupNorm (${leaf.numGroups} groups)` : leaf.kind;
    });
  return [...new Set(names)];
}

type NormSpec = Extract<
  LeafSpec,
  { kind: 'batchNorm' | 'groupNorm' | 'instanceNorm' | 'layerNorm' }
>;

function isNorm(leaf: LeafSpec): leaf is NormSpec {
  const { kind } = leaf;
  return (
    kind === 'batchNorm' || kind === 'groupNorm' || kind === 'instanceNorm' || kind === 'layerNorm'
  );
}

function convertLeaf(
  leaf: NormSpec,
  options: ConvertNormOptions,
  shape: Shape | undefined,
): LayerSpec {
  const { eps, affine } = leaf;
  const channels =
    leaf.kind === 'layerNorm'
      ? leaf.normalizedShape[leaf.normalizedShape.length - 1]!
      : leaf.channels;
  switch (options.to) {
    case 'sync':
    case 'local': {
      const sync = options.to === 'local' ? 'local' : (options.groupSize ?? 'sync');
      if (leaf.kind !== 'batchNorm') return batchNorm(channels, { eps, affine, sync });
      const { momentum, trackRunningStats } = leaf;
      return batchNorm(channels, { eps, affine, momentum, trackRunningStats, sync });
    }
    case 'group': {
      const numGroups = divisorUpTo(channels, options.numGroups ?? DEFAULT_NUM_GROUPS);
      return groupNorm(numGroups, channels, { eps, affine });
    }
    case 'instance':
      return instanceNorm(channels, { eps, affine });
    case 'layer':
      return layerNorm(shape ?? [channels], { eps, affine });
    case 'none':
      return sequential([]);
  }
}

/** The largest divisor of `channels` that is at most `limit`. */
function divisorUpTo(channels: number, limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new UsageError({
      what: 'convertNorm numGroups',
      given: limit,
      allowed: 'a whole number of at least 1',
    });
  }
  let divisor = Math.min(channels, limit);
  while (channels % divisor !== 0) divisor--;
  return divisor;
}

/** The input shape of every leaf, in order. */
function leafShapes(model: LayerSpec, inputShape: Shape | undefined): readonly Shape[] {
  if (inputShape === undefined) {
    throw new UsageError({
      what: "convertNorm to 'layer'",
      given: 'no inputShape',
      allowed: 'the shape of the model input',
      hint: "convertNorm(model, { to: 'layer', inputShape: data.inputShape })",
    });
  }
  const graph = buildGraph(model, inputShape);
  return graph.operations.flatMap((operation) =>
    operation.op === 'layer' ? [graph.shapes[operation.input]!] : [],
  );
}
