// The end of a step: each worker folds its blocks of all gradients along the tree over grains and
// updates the parameters there, which all workers read. A reduce-scatter fused with the optimizer;
// what it computes depends on the blocks, never on who owns them.

import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { StepState } from '../nn/layers/layer.ts';
import { bindGradientNorms } from '../observe/gradientNorms.ts';
import { bindOptimizer, RATE_GRAD_SCALE, writeRates } from '../optim/bindOptimizer.ts';
import { writeClipScale } from '../optim/clip.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import { BLOCK_LENGTH, ownedBlocks, type ParameterBlock } from '../plan/parameters.ts';
import type { RunPlan } from '../plan/plan.ts';
import { publishedSquares } from '../plan/published.ts';
import { type Fold, foldsToRoot } from '../reduce/folds.ts';
import { bindAdditions } from '../reduce/gradientSink.ts';
import { prepareCall } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';

export interface UpdateSetup {
  readonly plan: RunPlan;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly member: Member;
  readonly step: StepState;
}

/** Everything that the update of one block needs. */
interface BoundBlock {
  readonly index: number;
  readonly layerPath: string;
  readonly length: number;
  readonly isWide: boolean;
  readonly folds: readonly Fold[];
  readonly rootPtr: number;
  readonly gradPtr: number;
  readonly paramPtr: number;
  readonly statePtrs: readonly number[];
  readonly decays: boolean;
}

export interface Update {
  /** Works out the learning rates of steps [from, to) of `totalSteps`. To be called before them. */
  prepare(from: number, to: number, totalSteps: number): void;
  /** Whether what this worker has published of the gradients is finite. */
  arePartsFinite(): boolean;
  /** Folds and updates this worker's blocks. All gradients have to be published before. False
   * where the norm for clipping is not finite and the run is to stop: then nothing is updated, on
   * any worker. */
  run(step: number): boolean;
  /** Whether this worker's folded gradients of the step are finite: their parts may be, and
   * overflow together. */
  isTotalFinite(): boolean;
  /** Folds this worker's gradients and writes the sums of their squares, for main. */
  measure(): void;
  /** The layer of the first of this worker's gradients that is not finite, in the order of
   * backward; undefined where all are. */
  firstNonFinite(): string | undefined;
}

/** Binds the update of one worker. */
export function bindUpdate(setup: UpdateSetup): Update {
  const { plan, kernels, memory, member } = setup;
  const { config, parameters } = plan;
  const { clipNorm, onNonFinite } = config;
  const { lo, hi } = ownedBlocks(parameters.blocks, config.workers)[member.rank]!;
  const blocks = parameters.blocks.slice(lo, hi).map((block, i) => bindBlock(setup, block, lo + i));
  const squares = bindSquares(setup, blocks);
  const clipCall = prepareCall({
    ...{ kind: 'gradientNorm', length: squares.all.length },
    publishes: publishedSquares(plan, member.rank),
  });
  const ratesRegion = plan.workers[member.rank]!.regions.rates;
  const rates = viewOf(memory, ratesRegion);
  const rateTable = bindRateTable(setup, rates);
  const optimizer = bindOptimizer(config.optimizer, kernels, ratesRegion.offsetBytes);
  const foldBlock = bindBlockFold(kernels);
  const sampleNorms = bindGradientNorms(setup, blocks);

  return {
    prepare: rateTable.prepare,
    arePartsFinite: bindPartsCheck(setup),
    run(step) {
      rateTable.take(step);
      for (const block of blocks) foldBlock(block);
      sampleNorms();
      if (clipNorm !== null) {
        squares.sum();
        member.sync(clipCall);
        if (onNonFinite !== 'continue' && !squares.areAllFinite()) return false;
        writeClipScale(squares.all, clipNorm, rates, RATE_GRAD_SCALE);
      }
      for (const block of blocks) optimizer.update(block);
      return true;
    },
    isTotalFinite() {
      for (const { gradPtr, length, folds, isWide } of blocks) {
        // Without folds it is a part, which is known to be finite, unless it was narrowed.
        if (folds.length === 0 && !isWide) continue;
        if (kernels.allFiniteF32(gradPtr, length) === 0) return false;
      }
      return true;
    },
    measure() {
      for (const block of blocks) foldBlock(block);
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

/** The rates of all steps of a call, worked out before the first: numbers that functions return in
 * a step may be allocated. */
interface RateTable {
  prepare(from: number, to: number, totalSteps: number): void;
  /** Writes the rates of a step where the optimizer reads them. */
  take(step: number): void;
}

function bindRateTable({ plan }: UpdateSetup, rates: Float64Array): RateTable {
  const { schedule, optimizer } = plan.config;
  let firstStep = 0;
  let table = new Float64Array();
  return {
    prepare(from, to, totalSteps) {
      firstStep = from;
      table = new Float64Array((to - from) * rates.length);
      for (let i = 0; i < to - from; i++) {
        const lr = learningRateAt(schedule, optimizer.lr, from + i, totalSteps);
        writeRates(optimizer, from + i, lr, rates);
        table.set(rates, i * rates.length);
      }
    },
    take(step) {
      const at = (step - firstStep) * rates.length;
      for (let i = 0; i < rates.length; i++) rates[i] = table[at + i]!;
    },
  };
}

/** The sums of squares of all blocks' gradients, of which each worker writes its own blocks'. */
interface Squares {
  readonly all: Float64Array;
  sum(): void;
  /** After a synchronization. */
  areAllFinite(): boolean;
}

function bindSquares(
  { plan, kernels, memory }: UpdateSetup,
  blocks: readonly BoundBlock[],
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

/** Returns what folds a block of all published gradients, into float32. */
function bindBlockFold(kernels: KernelExports): (block: BoundBlock) => void {
  const addWide = bindAdditions(kernels, true);
  const addNarrow = bindAdditions(kernels, false);
  return ({ length, isWide, folds, rootPtr, gradPtr }) => {
    if (isWide) addWide(folds, length);
    else addNarrow(folds, length);
    if (isWide) kernels.narrowF64(gradPtr, rootPtr, length);
    else kernels.copyF32(gradPtr, rootPtr, length);
  };
}

/** Binds the look at the gradient nodes that a worker publishes, padding included, which is 0. */
function bindPartsCheck({ plan, kernels, memory, member }: UpdateSetup): () => boolean {
  const { parameters, workers } = plan;
  const { nodes } = workers[member.rank]!;
  const narrowPtrs = nodes.map(({ narrow }) => narrow.offsetBytes);
  const wides = nodes.map(({ wide }) => viewOf(memory, wide));
  const { narrow } = parameters.nodeLengths;
  return () => {
    for (let node = 0; node < nodes.length; node++) {
      if (kernels.allFiniteF32(narrowPtrs[node]!, narrow) === 0) return false;
      const wide = wides[node]!;
      for (let i = 0; i < wide.length; i++) if (!Number.isFinite(wide[i])) return false;
    }
    return true;
  };
}

function bindBlock(setup: UpdateSetup, block: ParameterBlock, index: number): BoundBlock {
  const { plan, member } = setup;
  const { regions, workers, config, nodes, grains } = plan;
  const { values, gradients, optimizerState } = regions.parameters;
  const { entry, start, length } = block;
  const bytes = entry.isWide ? 8 : 4;
  const published = nodes.map((node) => {
    const { offsetBytes } = entry.isWide ? node.wide : node.narrow;
    return { ...node, ptr: offsetBytes + (entry.nodeOffset + start) * bytes };
  });
  const temporariesPtr = workers[member.rank]!.regions.temporaries.offsetBytes;
  const { folds, rootPtr } = foldsToRoot(
    { lo: 0, hi: grains.cut.count },
    published,
    (index) => temporariesPtr + index * BLOCK_LENGTH * 8,
  );
  const at = (entry.offset + start) * 4;
  return {
    index,
    layerPath: entry.layerPath,
    length,
    isWide: entry.isWide,
    folds,
    rootPtr,
    gradPtr: gradients.offsetBytes + at,
    paramPtr: values.offsetBytes + at,
    statePtrs: optimizerState.map(({ offsetBytes }) => offsetBytes + at),
    decays: entry.role === 'weight' || config.optimizer.decayNormAndBias,
  };
}
