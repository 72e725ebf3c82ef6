// Evaluation and prediction of one worker: the model forward, without training. Batches are split
// over the grains as in training, so what comes out does not depend on the number of workers.

import { sizeOf } from '../base/shape.ts';
import type { InputLoader } from '../data/loading/inputs.ts';
import { type StoredSplit, viewSplit } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import { endsOf } from '../nn/graph/graph.ts';
import { takesInEvaluation } from '../plan/feasible.ts';
import { type RunPlan, reductionName, reductionsOf } from '../plan/plan.ts';
import { fillGrains } from '../reduce/grains.ts';
import type { Span } from '../reduce/tree.ts';
import { prepareCall } from '../sync/call.ts';
import {
  regionLoaderOf,
  type SplitName,
  splitLoaderOf,
  targetCopierOf,
  type WorkerContext,
} from './context.ts';
import { bindNeed, type Need } from './feeding.ts';
import { bindSplitWeights } from './weighting.ts';

export interface Inference {
  /** Writes loss and correctness of each sample of a split into `evaluation.samples`; NaN for the
   * correctness of those that have no weight. With a `batch`, of its samples alone, which are those
   * of one global batch, and their outputs into `predict.outputs`. */
  evaluate(split: SplitName, batch?: Span): void;
  /** Adds up the weights of a split that is read in chunks, before it is evaluated. */
  weigh(split: SplitName): void;
  /** Runs the first `count` samples of `predict.inputs` and writes `predict.outputs`. */
  predict(count: number): void;
}

/** Binds evaluation and prediction. */
export function bindInference(context: WorkerContext): Inference {
  const { plan, worker, memory, member, step, program, loss, countsIn } = context;
  const { losses, correct, headLosses } = loss;
  const { config, regions } = plan;
  const sampleBytes = sizeOf(config.data.inputShape) * 4;
  const { inference } = regions;
  const evaluated = viewOf(memory, inference.evaluated);
  const evaluatedHeads = inference.headLosses && viewOf(memory, inference.headLosses);
  const keepOutputs = bindOutputs(context);
  const splits = bindSplits(context);
  const predictLoader = regionLoaderOf(context, regions.inference.inputs);
  const betweenBatches = exchangesMoments(plan) ? prepareCall({ kind: 'evaluation' }) : undefined;

  /** Runs samples [lo, hi) of a source in batches; `afterBatch` is told where its own begin. */
  const inferBatches = (
    { lo, hi }: Span,
    { loader, need }: { readonly loader: InputLoader; readonly need?: Need | undefined },
    afterBatch: (first: number) => void,
  ): void => {
    step.training = false;
    step.isSnapshot = false;
    for (let from = lo; from < hi; from += config.globalBatch) {
      const size = Math.min(config.globalBatch, hi - from);
      if (betweenBatches !== undefined && from > lo) {
        // Nobody overwrites the moments of a batch while others still read them.
        member.setPosition(step.step, -1);
        member.sync(betweenBatches);
      }
      fillGrains(step, plan.grains.cut, size, worker.grains);
      if (need !== undefined) need(0, from, from + size);
      const first = from + step.firstSample;
      for (let slot = 0; slot < step.countSamples; slot++) {
        loader.load(first + slot, program.input.ptr + slot * sampleBytes);
      }
      context.forward();
      afterBatch(first);
    }
    step.training = true;
  };

  return {
    evaluate(split, batch) {
      const { count, copyTarget, weights, ...source } = splits[split]!;
      inferBatches(batch ?? { lo: 0, hi: count }, source, (first) => {
        // The loss may take the place of the outputs.
        if (batch !== undefined) keepOutputs(first - batch.lo);
        for (let slot = 0; slot < step.countSamples; slot++) copyTarget(first + slot, slot);
        for (const one of weights) one.weigh(first);
        loss.run();
        for (let slot = 0; slot < step.countSamples; slot++) {
          evaluated[(first + slot) * 2] = losses[slot]!;
          evaluated[(first + slot) * 2 + 1] = countsIn(slot) ? correct[slot]! : Number.NaN;
          for (const [head, ofHead] of headLosses.entries()) {
            evaluatedHeads![(first + slot) * headLosses.length + head] = ofHead[slot]!;
          }
        }
      });
    },
    weigh(split) {
      const { count, weights, need } = splits[split]!;
      for (const one of weights) one.begin();
      for (let from = 0; from < count; from += config.globalBatch) {
        const end = Math.min(from + config.globalBatch, count);
        need?.(0, from, end);
        for (const one of weights) one.add(from, end);
      }
    },
    predict(count) {
      inferBatches({ lo: 0, hi: count }, { loader: predictLoader }, keepOutputs);
    },
  };
}

/** What is read of each split. */
function bindSplits(context: WorkerContext) {
  const bindSplit = (split: StoredSplit) => {
    const view = viewSplit(split);
    return {
      count: split.count,
      need: view.feed && bindNeed(context, view.feed),
      loader: splitLoaderOf(context, view),
      copyTarget: targetCopierOf(context, view),
      weights: bindSplitWeights(context, view),
    };
  };
  const { train, test, validation } = context.samples.evaluated;
  return {
    train: bindSplit(train),
    test: bindSplit(test),
    validation: validation && bindSplit(validation),
  };
}

/** Returns what writes all outputs of a batch, row `first` of `predict.outputs` being the first
 * one's. */
function bindOutputs({ plan, memory, step, program }: WorkerContext): (first: number) => void {
  const { outputs, headOutputs } = plan.regions.inference;
  const floats = new Float32Array(memory.buffer);
  const ends = endsOf(plan.graph).map((value) => program.tensors[value]!);
  const kept = [outputs, ...headOutputs].map((region, i) => {
    const { shape, ptr } = ends[i]!;
    return { from: ptr / 4, length: sizeOf(shape), to: viewOf(memory, region) };
  });
  return (first) => {
    for (const { from, length, to } of kept) {
      to.set(floats.subarray(from, from + step.countSamples * length), first * length);
    }
  };
}

/** Whether workers read each other's moments in evaluation: where layers normalize by the batch and
 * their sync groups span workers. */
function exchangesMoments({ graph, reductions }: RunPlan): boolean {
  return [...reductionsOf(graph)].some(
    ({ operation, declared }) =>
      takesInEvaluation(operation, graph) &&
      reductions.get(reductionName(operation.path, declared.name))!.needsExchange,
  );
}
