// The samples of a training step: finds them in the order of the epoch, and loads, augments and
// mixes this worker's share into the input of the model, with targets and weights.

import { sizeOf } from '../base/shape.ts';
import { viewSplit } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import { prepareCall } from '../sync/call.ts';
import { splitLoaderOf, type WorkerContext } from './context.ts';
import { bindEpochOrder } from './epochOrder.ts';
import { bindNeed } from './feeding.ts';
import { trainTargetCopierOf } from './masks.ts';
import { bindMixing } from './mixing.ts';
import { bindStepWeights } from './weighting.ts';

export interface Batches {
  /** Makes the order of the epoch of this step. All workers must call it together. */
  prepareOrder(step: number): void;
  /** Begins a step with a prepared order: determines which worker has which samples, and their
   * weights. */
  begin(step: number): void;
  /** Loads the samples and targets of a micro-batch of the step. */
  load(m: number): void;
  /** The training sample in a slot of a micro-batch. */
  sampleIn(m: number, slot: number): number;
}

/** Binds the training samples to a worker. */
export function bindBatches(context: WorkerContext): Batches {
  const { plan, worker, memory, samples, member, microBatches } = context;
  const { config } = plan;
  const train = viewSplit(samples.train);
  const loader = splitLoaderOf(context, train);
  const sampleBytes = sizeOf(config.data.inputShape) * 4;
  const order = viewOf(memory, plan.regions.data.order);
  const orderCall = prepareCall({ kind: 'order', length: order.length });

  let batchFrom = 0;
  const sampleAt = (position: number): number => order[batchFrom + position]!;
  const bound = microBatches.map((microBatch) => ({
    copyTarget: trainTargetCopierOf(context, microBatch, train),
    mixing: bindMixing(context, microBatch, { train, loader, sampleAt }),
  }));
  const weighs = bindStepWeights(context, { train, sampleAt, mixing: bound[0]!.mixing });

  const loadSlot = (m: number, slot: number): void => {
    const { step, program } = microBatches[m]!;
    const { copyTarget, mixing } = bound[m]!;
    const position = step.firstSample + slot;
    const sample = sampleAt(position);
    loader.loadAugmented(sample, program.input.ptr + slot * sampleBytes, step.step, position);
    if (mixing === undefined) copyTarget(sample, slot);
    else mixing.apply(slot);
  };

  const need = train.feed && bindNeed(context, train.feed);

  // Bound only on workers that write an order; others do not need its memory.
  let writeOrder: ((epoch: number) => void) | undefined;
  // The order is kept until that of another epoch is written.
  let written = -1;
  return {
    prepareOrder(index) {
      if (worker.rank === 0) {
        const epoch = Math.floor(index / plan.stepsPerEpoch);
        writeOrder ??= bindEpochOrder(plan, memory, samples);
        if (epoch !== written) writeOrder(epoch);
        written = epoch;
      }
      member.sync(orderCall);
    },
    begin(index) {
      const inEpoch = index % plan.stepsPerEpoch;
      const isLast = inEpoch === plan.stepsPerEpoch - 1;
      for (let m = 0; m < microBatches.length; m++) microBatches[m]!.step.step = index;
      const size = isLast ? plan.lastBatch : config.globalBatch;
      context.shareOut(size);
      batchFrom = inEpoch * config.globalBatch;
      if (need !== undefined) {
        need(Math.floor(index / plan.stepsPerEpoch), batchFrom, batchFrom + size);
      }
      for (let i = 0; i < weighs.length; i++) weighs[i]!();
    },
    load(m) {
      const { countSamples } = microBatches[m]!.step;
      for (let slot = 0; slot < countSamples; slot++) loadSlot(m, slot);
    },
    sampleIn: (m, slot) => sampleAt(microBatches[m]!.step.firstSample + slot),
  };
}
