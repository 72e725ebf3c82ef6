// The table of parameters and buffers of a model: the position of each tensor in its region, and
// the blocks in which gradients are folded and weights updated. A worker owns a contiguous range of
// blocks.

import { alignUp } from '../base/bytes.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { parameterNames } from '../nn/graph/freeze.ts';
import { buffersOf, type Graph, parametersOf } from '../nn/graph/graph.ts';
import type { Initializer } from '../nn/specs/init.ts';
import type { ParameterRole } from '../nn/specs/parameter.ts';
import { type ParameterGroup, type UpdateRule, updateRules } from './parameterGroups.ts';

export interface ParameterEntry {
  /** The name of the parameter, such as `3.batchNorm.weight`. */
  readonly name: string;
  readonly layerPath: string;
  readonly shape: Shape;
  readonly role: ParameterRole;
  readonly init: Initializer;
  readonly length: number;
  /** Elements from the start of the region of parameters. */
  readonly offset: number;
  readonly isTrained: boolean;
  /** Elements from the start of the regions of gradients and optimizer state, which only contain
   * trained parameters; -1 if it is frozen. */
  readonly trainedOffset: number;
  /** Whether its gradient is summed in float64. */
  readonly isWide: boolean;
  /** Elements from the start of a gradient node of its type; -1 if it is frozen. */
  readonly nodeOffset: number;
  /** Elements from the start of a worker's leaf of its type, which layers use one after the other;
   * -1 if it is frozen. */
  readonly leafOffset: number;
  /** Index of its rule in the plan. */
  readonly rule: number;
}

/** A float64 tensor beside the parameters: running statistics. */
export interface BufferEntry {
  readonly name: string;
  readonly layerPath: string;
  readonly shape: Shape;
  readonly initial: number;
  readonly length: number;
  readonly offset: number;
}

/** A piece of one parameter: the unit of folding, of clipping sums and of ownership. */
export interface ParameterBlock {
  readonly entry: ParameterEntry;
  /** Elements from the start of the entry. */
  readonly start: number;
  readonly length: number;
}

export interface ParameterPlan {
  readonly entries: readonly ParameterEntry[];
  readonly buffers: readonly BufferEntry[];
  /** The blocks of the parameters that train. */
  readonly blocks: readonly ParameterBlock[];
  /** The number of elements in the region of parameters. */
  readonly length: number;
  /** The number of elements in the regions of gradients and optimizer state. */
  readonly trainedLength: number;
  readonly buffersLength: number;
  /** The number of elements in a gradient node and in a leaf, float32 and float64. */
  readonly nodeLengths: { readonly narrow: number; readonly wide: number };
  readonly leafLengths: { readonly narrow: number; readonly wide: number };
  /** How parameters are updated, at least one. */
  readonly rules: readonly UpdateRule[];
}

/** 16 KB of float32, which stays in the L1 cache from fold to update. It only affects bits through
 * the sums for clipping, which are computed per block. */
export const BLOCK_LENGTH = 4096;
/** Tensors begin on cache lines. */
const ALIGN_ELEMENTS = 32;

/** Lays out the parameters of a model. Depends only on the model, the frozen parameters and the
 * groups, never on workers. */
export function planParameters(
  graph: Graph,
  groups: readonly ParameterGroup[] = [],
): ParameterPlan {
  const { rules, ruleOf } = updateRules(groups, parameterNames(graph));
  const entries: ParameterEntry[] = [];
  const buffers: BufferEntry[] = [];
  const nodeLengths = { narrow: 0, wide: 0 };
  const leafLengths = { narrow: 0, wide: 0 };
  let length = 0;
  let trainedLength = 0;
  let buffersLength = 0;
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { path } = operation;
    const inLayer = { narrow: 0, wide: 0 };
    for (const declared of parametersOf(operation, graph)) {
      const isWide = declared.role !== 'weight';
      const type = isWide ? 'wide' : 'narrow';
      const size = sizeOf(declared.shape);
      const room = alignUp(size, ALIGN_ELEMENTS);
      const isTrained = !operation.frozen.has(declared.name);
      entries.push({
        name: `${path}.${declared.name}`,
        layerPath: path,
        shape: declared.shape,
        role: declared.role,
        init: declared.init,
        length: size,
        offset: length,
        isWide,
        isTrained,
        trainedOffset: isTrained ? trainedLength : -1,
        nodeOffset: isTrained ? nodeLengths[type] : -1,
        leafOffset: isTrained ? inLayer[type] : -1,
        rule: ruleOf[entries.length]!,
      });
      length += room;
      if (!isTrained) continue;
      trainedLength += room;
      nodeLengths[type] += room;
      inLayer[type] += room;
    }
    leafLengths.narrow = Math.max(leafLengths.narrow, inLayer.narrow);
    leafLengths.wide = Math.max(leafLengths.wide, inLayer.wide);
    for (const { name, shape, initial } of buffersOf(operation, graph)) {
      const size = sizeOf(shape);
      const place = { length: size, offset: buffersLength };
      buffers.push({ name: `${path}.${name}`, layerPath: path, shape, initial, ...place });
      buffersLength += alignUp(size, ALIGN_ELEMENTS);
    }
  }
  return {
    entries,
    buffers,
    blocks: blocksOf(entries.filter(({ isTrained }) => isTrained)),
    length,
    trainedLength,
    buffersLength,
    nodeLengths,
    leafLengths,
    rules,
  };
}

function blocksOf(entries: readonly ParameterEntry[]): readonly ParameterBlock[] {
  const blocks: ParameterBlock[] = [];
  for (const entry of entries) {
    for (let start = 0; start < entry.length; start += BLOCK_LENGTH) {
      blocks.push({ entry, start, length: Math.min(BLOCK_LENGTH, entry.length - start) });
    }
  }
  return blocks;
}

/** The blocks [lo, hi) that each of `workers` owns: contiguous, with about the same number of
 * elements. */
export function ownedBlocks(
  blocks: readonly ParameterBlock[],
  workers: number,
): readonly { readonly lo: number; readonly hi: number }[] {
  const total = blocks.reduce((sum, block) => sum + block.length, 0);
  const owned: { lo: number; hi: number }[] = [];
  let at = 0;
  let done = 0;
  for (let worker = 0; worker < workers; worker++) {
    const lo = at;
    const until = (total * (worker + 1)) / workers;
    while (
      at < blocks.length &&
      (done + blocks[at]!.length / 2 <= until || worker === workers - 1)
    ) {
      done += blocks[at]!.length;
      at++;
    }
    owned.push({ lo, hi: at });
  }
  return owned;
}
