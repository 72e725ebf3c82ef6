// The end of a step: each worker folds its blocks of all gradients along the tree over grains and
// updates their parameters, which all workers read. This is a reduce-scatter fused with the
// optimizer; between processes, a reduce-scatter and an all-gather of the folded gradients. The
// result depends on the blocks, never on their owners.

import { FLOAT_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { StepState } from '../nn/layers/layer.ts';
import { bindGradientNorms } from '../observe/gradientNorms.ts';
import { gradientsExchange } from '../plan/exchanges.ts';
import { type GradientPart, nodesOfBlock } from '../plan/gradients.ts';
import { BLOCK_LENGTH, type ParameterBlock } from '../plan/parameters.ts';
import type { RunPlan } from '../plan/plan.ts';
import { type Fold, foldsToRoot, mergesInPlace } from '../reduce/folds.ts';
import { bindAdditions } from '../reduce/gradientSink.ts';
import { prepareCall } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';
import { bindAverage } from './average.ts';
import { bindBlockUpdates } from './blockUpdates.ts';
import type { BackwardWatch } from './passes.ts';
import { bindRules } from './rules.ts';

export interface UpdateSetup {
  readonly plan: RunPlan;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly member: Member;
  readonly now: Readonly<Pick<StepState, 'step' | 'isSnapshot'>>;
}

/** A block with gradients to fold. */
interface FoldedBlock {
  readonly length: number;
  readonly isWide: boolean;
  readonly folds: readonly Fold[];
  readonly rootPtr: number;
  readonly gradPtr: number;
}

/** Everything that the update of one block needs. */
interface UpdatedBlock {
  readonly index: number;
  readonly layerPath: string;
  readonly length: number;
  readonly gradPtr: number;
  /** Whether its gradient is the sum of several parts, which may overflow, instead of one worker's
   * part. */
  readonly isSum: boolean;
  readonly paramPtr: number;
  readonly statePtrs: readonly number[];
  readonly decays: boolean;
  /** Index of its update rule. */
  readonly rule: number;
}

export interface Update {
  /** Computes the learning rates of steps [from, to) of `totalSteps` from the rate `baseLr`. Call
   * it before these steps. */
  prepare(from: number, to: number, totalSteps: number, baseLr: number): void;
  /** Sends the gradients that backward finishes early; undefined if none are sent early. */
  readonly watch: BackwardWatch | undefined;
  /** Whether this worker's part of the gradients is finite. */
  arePartsFinite(): boolean;
  /** Publishes all gradients, with the votes and sums of the step. At least one synchronization. */
  publish(): void;
  /** Folds and updates this worker's blocks, after {@link publish}. Returns false if the norm for
   * clipping is not finite and the run has to stop, in which case no worker updates anything. */
  run(step: number): boolean;
  /** Whether this worker's folded gradients of the step are finite. Finite parts may overflow when
   * added. */
  isTotalFinite(): boolean;
  /** Folds this worker's gradients and writes the sums of their squares for the main thread. */
  measure(): void;
  /** The layer of this worker's first gradient that is not finite, in the order of backward, or
   * undefined if all are finite. */
  firstNonFinite(): string | undefined;
}

/** Binds the update of one worker. */
export function bindUpdate(setup: UpdateSetup): Update {
  const { plan, kernels, memory, member } = setup;
  const { config, parameters } = plan;
  const { clipNorm, clipValue = null, onNonFinite } = config;
  const { lo, hi } = plan.gradients.updated[member.rank]!;
  const blocks = parameters.blocks.slice(lo, hi).map((block, i) => bindBlock(setup, block, lo + i));
  const squares = bindSquares(setup, blocks);
  const clipCall = prepareCall({ kind: 'gradientNorm', length: squares.all.length });
  const rules = bindRules(setup, plan.workers[member.rank]!.regions.rates);
  const average = bindAverage(setup, blocks, rules.rates);
  const updateBlocks = bindBlockUpdates({ plan, memory, member, rules: rules.bound }, blocks);
  const folding = bindFolding(setup);
  const sampleNorms = bindGradientNorms({ ...setup, step: setup.now }, blocks);
  const areTotalsFinite = (): boolean => {
    for (const { gradPtr, length, isSum } of blocks) {
      if (isSum && kernels.allFiniteF32(gradPtr, length) === 0) return false;
    }
    return true;
  };
  // Clipping by value would hide an infinity, so this check comes first.
  let wereFinite = true;

  return {
    prepare: rules.prepare,
    watch: folding.watch,
    arePartsFinite: folding.arePartsFinite,
    publish: folding.publish,
    run(step) {
      rules.take(step);
      folding.fold();
      sampleNorms();
      if (clipValue !== null) {
        wereFinite = areTotalsFinite();
        for (const { gradPtr, length } of blocks) kernels.clampF32(gradPtr, length, clipValue);
      }
      if (clipNorm !== null) {
        squares.sum();
        member.sync(clipCall);
        if (onNonFinite !== 'continue' && !squares.areAllFinite()) return false;
        rules.clip(squares.all, clipNorm);
      }
      updateBlocks();
      average();
      return true;
    },
    isTotalFinite: () => (clipValue === null ? areTotalsFinite() : wereFinite),
    measure() {
      folding.fold();
      squares.sum();
    },
    firstNonFinite() {
      const found = blocks.findLast(
        ({ gradPtr, length }) => kernels.allFiniteF32(gradPtr, length) === 0,
      );
      return found?.layerPath;
    },
  };
}

/** The sums of squares of all blocks' gradients. Each worker writes those of its own blocks. */
interface Squares {
  readonly all: Float64Array;
  sum(): void;
  /** Whether all sums are finite. Call it after a synchronization. */
  areAllFinite(): boolean;
}

function bindSquares(
  { plan, kernels, memory }: UpdateSetup,
  blocks: readonly UpdatedBlock[],
): Squares {
  const region = plan.regions.parameters.squares;
  const all = viewOf(memory, region);
  return {
    all,
    sum() {
      for (const { gradPtr, length, index } of blocks) {
        kernels.sumSquaresF32(gradPtr, length, region.offsetBytes + index * 8);
      }
    },
    areAllFinite() {
      for (let block = 0; block < all.length; block++) {
        if (!Number.isFinite(all[block])) return false;
      }
      return true;
    },
  };
}

/** Folds the subtrees that workers have summed into complete gradients. */
interface Folding {
  readonly watch: BackwardWatch | undefined;
  arePartsFinite(): boolean;
  /** Publishes the subtrees to the workers that fold them. */
  publish(): void;
  /** Folds this worker's share. Afterward this process has the gradients of all blocks that it
   * updates. */
  fold(): void;
}

function bindFolding(setup: UpdateSetup): Folding {
  const { plan, kernels, member } = setup;
  const { parameters, gradients, grains } = plan;
  const blocks = gradients.parts.flatMap((part) => bindFoldedBlocks(setup, part));
  const foldBlock = bindBlockFold(kernels);
  const { length } = parameters;
  const fold = (): void => {
    for (const block of blocks) foldBlock(block);
  };
  if (grains.processes.length === 1) {
    const call = prepareCall({ kind: 'gradients', length });
    const arePartsFinite = bindPartCheck(setup, gradients.parts[0]!);
    return { watch: undefined, arePartsFinite, publish: () => member.sync(call), fold };
  }
  const toAll = { kind: 'folded gradients', length, exchange: gradients.toAll };
  const foldedCall = prepareCall(toAll);
  return {
    ...bindParts(setup),
    fold() {
      fold();
      member.sync(foldedCall);
    },
  };
}

/** Sends the parts of the gradients to the processes that fold them, the early ones as soon as all
 * workers of this process have merged theirs. */
function bindParts(setup: UpdateSetup): Omit<Folding, 'fold'> {
  const { plan, member } = setup;
  const { parameters, gradients, workers } = plan;
  const { length } = parameters;
  const parts = gradients.parts.map((part) => ({
    check: bindPartCheck(setup, part),
    merge: bindMerge(setup, part),
    wholeAfter: part.wholeAfter,
  }));
  const last = parts.length - 1;
  const early = gradients.parts.slice(0, last).map(({ toFolding }, i) => {
    const exchange = { ...toFolding, link: 1 + i };
    return prepareCall({ kind: 'gradients, early', label: `${i}`, exchange });
  });
  const exchange = { ...gradientsExchange(plan), ends: early };
  const call = prepareCall({ kind: 'gradients', length, exchange });
  const partsCall = prepareCall({ kind: 'gradients of workers', length });
  // Only the next synchronization guarantees that other workers have merged a part.
  const delay = workers.length > 1 ? 1 : 0;
  let merged = 0;
  let started = 0;
  let areFinite = true;
  const start = (until: number): void => {
    if (member.rank !== 0) return;
    for (; started < until; started++) member.start(early[started]!);
  };
  const watch: BackwardWatch = {
    before(place) {
      // Others may merge this worker's part as soon as it reaches the synchronization.
      if (parts[merged]!.wholeAfter === place) areFinite = parts[merged]!.check() && areFinite;
    },
    after(place) {
      const part = parts[merged]!;
      if (part.wholeAfter !== place) return;
      part.merge();
      merged++;
      start(merged - delay);
    },
  };
  return {
    watch: last > 0 ? watch : undefined,
    arePartsFinite: () => parts[last]!.check() && areFinite,
    publish() {
      if (workers.length > 1) {
        member.sync(partsCall);
        parts[last]!.merge();
      }
      start(last);
      member.sync(call);
      merged = 0;
      started = 0;
      areFinite = true;
    },
  };
}

/** Returns a function that merges this worker's share of a part, from the subtrees of all workers
 * of its process to those that are sent to other processes. */
function bindMerge({ plan, kernels, member }: UpdateSetup, { merged }: GradientPart): () => void {
  const { parameters, gradients, workers } = plan;
  const { lo, hi } = merged[member.rank]!;
  const merges = parameters.blocks.slice(lo, hi).map((block) => {
    const published = nodesOfBlock(gradients.workerNodes, block);
    const folds = gradients.ownNodes.flatMap((node) => mergesInPlace(node, published));
    return { length: block.length, folds, isWide: block.entry.isWide };
  });
  if (workers.length === 1) return () => {};
  const addWide = bindAdditions(kernels, true);
  const addNarrow = bindAdditions(kernels, false);
  return () => {
    for (const { length, folds, isWide } of merges) {
      if (isWide) addWide(folds, length);
      else addNarrow(folds, length);
    }
  };
}

/** Returns a function that folds a block of all published gradients into float32. */
function bindBlockFold(kernels: KernelExports): (block: FoldedBlock) => void {
  const addWide = bindAdditions(kernels, true);
  const addNarrow = bindAdditions(kernels, false);
  return ({ length, isWide, folds, rootPtr, gradPtr }) => {
    if (isWide) addWide(folds, length);
    else addNarrow(folds, length);
    if (isWide) kernels.narrowF64(gradPtr, rootPtr, length);
    else kernels.copyF32(gradPtr, rootPtr, length);
  };
}

/** Binds the check of a part of the gradient nodes that a worker writes. */
function bindPartCheck(
  { plan, kernels, memory, member }: UpdateSetup,
  { spans }: GradientPart,
): () => boolean {
  const { nodes } = plan.workers[member.rank]!;
  const narrows: { readonly ptr: number; readonly length: number }[] = [];
  const wides: Float64Array[] = [];
  for (const { narrow, wide } of nodes) {
    for (const { type, lo, hi } of spans) {
      if (type === 'wide') wides.push(viewOf(memory, wide).subarray(lo, hi));
      else narrows.push({ ptr: narrow.offsetBytes + lo * FLOAT_BYTES, length: hi - lo });
    }
  }
  return () => {
    for (let i = 0; i < narrows.length; i++) {
      const { ptr, length } = narrows[i]!;
      if (kernels.allFiniteF32(ptr, length) === 0) return false;
    }
    for (let i = 0; i < wides.length; i++) {
      const wide = wides[i]!;
      for (let at = 0; at < wide.length; at++) if (!Number.isFinite(wide[at])) return false;
    }
    return true;
  };
}

function bindFoldedBlocks(
  { plan, member }: UpdateSetup,
  { folded, nodes }: GradientPart,
): readonly FoldedBlock[] {
  const { regions, workers, grains, parameters } = plan;
  const temporariesPtr = workers[member.rank]!.regions.temporaries.offsetBytes;
  const { lo, hi } = folded[member.rank]!;
  return parameters.blocks.slice(lo, hi).map((block) => {
    const { entry, start, length } = block;
    const { folds, rootPtr } = foldsToRoot(
      { lo: 0, hi: grains.cut.count },
      nodesOfBlock(nodes, block),
      (index) => temporariesPtr + index * BLOCK_LENGTH * 8,
    );
    const gradPtr = regions.parameters.gradients.offsetBytes + (entry.trainedOffset + start) * 4;
    return { length, isWide: entry.isWide, folds, rootPtr, gradPtr };
  });
}

function bindBlock(
  { plan }: UpdateSetup,
  { entry, start, length }: ParameterBlock,
  index: number,
): UpdatedBlock {
  const { regions, config, gradients } = plan;
  const { values, gradients: whole, optimizerState } = regions.parameters;
  const { weightDecay } = plan.parameters.rules[entry.rule]!;
  const at = (entry.trainedOffset + start) * 4;
  return {
    index,
    layerPath: entry.layerPath,
    length,
    gradPtr: whole.offsetBytes + at,
    // A single part is known to be finite, unless it was narrowed.
    isSum: entry.isWide || gradients.parts[0]!.nodes.length > 1,
    paramPtr: values.offsetBytes + (entry.offset + start) * 4,
    statePtrs: optimizerState.map(({ offsetBytes }) => offsetBytes + at),
    decays: weightDecay !== null || entry.role === 'weight' || config.optimizer.decayNormAndBias,
    rule: entry.rule,
  };
}
