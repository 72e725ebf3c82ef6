// Evaluation and prediction of one worker: the forward passes of the model, without training.
// Batches are split over the grains as in training, so results do not depend on the number of
// workers.

import { sizeOf } from '../base/shape.ts';
import type { InputLoader } from '../data/loading/inputs.ts';
import { type StoredSplit, viewSplit } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import { endsOf } from '../nn/graph/graph.ts';
import { reductionName, reductionsOf } from '../plan/declaredReductions.ts';
import { takesInEvaluation } from '../plan/feasible.ts';
import type { RunPlan } from '../plan/plan.ts';
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
   * correctness of samples without weight. With a `batch`, the samples of one global batch, it
   * only does so for these and also writes their outputs into `predict.outputs`. */
  evaluate(split: SplitName, batch?: Span): void;
  /** Sums the weights of a split that is read in chunks, before it is evaluated. */
  weigh(split: SplitName): void;
  /** Runs the first `count` samples of `predict.inputs` and writes `predict.outputs`. */
  predict(count: number): void;
}

/** Binds evaluation and prediction. */
export function bindInference(context: WorkerContext): Inference {
  const { plan, member, microBatches } = context;
  const { config, regions } = plan;
  const sampleBytes = sizeOf(config.data.inputShape) * 4;
  const keepOutputs = bindOutputs(context);
  const splits = bindSplits(context);
  const keepLosses = bindKeptLosses(context);
  const predictLoader = regionLoaderOf(context, regions.inference.inputs);
  const betweenBatches = exchangesMoments(plan) ? prepareCall({ kind: 'evaluation' }) : undefined;

  /** Runs samples [lo, hi) of a source in batches; `done` is called for each micro-batch with the
   * index of its first sample. */
  const inferBatches = (
    { lo, hi }: Span,
    { loader, need }: { readonly loader: InputLoader; readonly need?: Need | undefined },
    done: (first: number, m: number) => void,
  ): void => {
    context.setNow({ training: false, isSnapshot: false });
    for (let from = lo; from < hi; from += config.globalBatch) {
      if (betweenBatches !== undefined && from > lo) {
        // Prevents workers from overwriting the moments of a batch while others still read them.
        member.setPosition(context.now.step, -1);
        member.sync(betweenBatches);
      }
      const size = Math.min(config.globalBatch, hi - from);
      context.shareOut(size);
      if (need !== undefined) need(0, from, from + size);
      context.runForward({
        load(m) {
          const { step, program } = microBatches[m]!;
          const first = from + step.firstSample;
          for (let slot = 0; slot < step.countSamples; slot++) {
            loader.load(first + slot, program.input.ptr + slot * sampleBytes);
          }
        },
        done: (m) => done(from + microBatches[m]!.step.firstSample, m),
      });
    }
    context.setNow({ training: true });
  };

  return {
    evaluate(split, batch) {
      const { count, copyTargets, weights, ...source } = splits[split]!;
      inferBatches(batch ?? { lo: 0, hi: count }, source, (first, m) => {
        const { step, loss } = microBatches[m]!;
        // The loss may overwrite the outputs.
        if (batch !== undefined) keepOutputs(first - batch.lo, m);
        for (let slot = 0; slot < step.countSamples; slot++) copyTargets[m]!(first + slot, slot);
        for (const one of weights) one.weigh(first, m);
        loss.run();
        keepLosses(first, m);
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

/** Binds the readers of each split. */
function bindSplits(context: WorkerContext) {
  const bindSplit = (split: StoredSplit) => {
    const view = viewSplit(split);
    return {
      count: split.count,
      need: view.feed && bindNeed(context, view.feed),
      loader: splitLoaderOf(context, view),
      copyTargets: context.microBatches.map((own) => targetCopierOf(context, own, view)),
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

/** Returns a function that writes the losses and hits of a micro-batch that starts at sample
 * `first`. */
function bindKeptLosses({
  plan,
  memory,
  microBatches,
}: WorkerContext): (first: number, m: number) => void {
  const { inference } = plan.regions;
  const evaluated = viewOf(memory, inference.evaluated);
  const evaluatedHeads = inference.headLosses && viewOf(memory, inference.headLosses);
  return (first, m) => {
    const { step, loss, countsIn } = microBatches[m]!;
    const { losses, correct, headLosses } = loss;
    for (let slot = 0; slot < step.countSamples; slot++) {
      evaluated[(first + slot) * 2] = losses[slot]!;
      evaluated[(first + slot) * 2 + 1] = countsIn(slot) ? correct[slot]! : Number.NaN;
      for (const [head, ofHead] of headLosses.entries()) {
        evaluatedHeads![(first + slot) * headLosses.length + head] = ofHead[slot]!;
      }
    }
  };
}

/** Returns a function that writes all outputs of a micro-batch, starting at row `first` of
 * `predict.outputs`. */
function bindOutputs({
  plan,
  memory,
  microBatches,
}: WorkerContext): (first: number, m: number) => void {
  const { outputs, headOutputs } = plan.regions.inference;
  const floats = new Float32Array(memory.buffer);
  const kept = microBatches.map(({ program }) => {
    const ends = endsOf(plan.graph).map((value) => program.tensors[value]!);
    return [outputs, ...headOutputs].map((region, i) => {
      const { shape, ptr } = ends[i]!;
      return { from: ptr / 4, length: sizeOf(shape), to: viewOf(memory, region) };
    });
  });
  return (first, m) => {
    const { countSamples } = microBatches[m]!.step;
    for (const { from, length, to } of kept[m]!) {
      to.set(floats.subarray(from, from + countSamples * length), first * length);
    }
  };
}

/** Whether workers read each other's moments in evaluation, which they do if layers normalize by
 * the batch and their sync groups span workers. */
function exchangesMoments({ graph, reductions }: RunPlan): boolean {
  return [...reductionsOf(graph)].some(
    ({ operation, declared }) =>
      takesInEvaluation(operation, graph) &&
      reductions.get(reductionName(operation.path, declared.name))!.needsExchange,
  );
}
