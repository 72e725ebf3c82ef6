// The samples of a training step: which they are in the epoch's order, and this worker's share of
// them loaded, augmented, into the model's input.

import { sizeOf } from '../base/shape.ts';
import { identityOrder, shuffleOrder } from '../data/sampler.ts';
import { viewOf } from '../memory/arena.ts';
import { fillGrains } from '../reduce/grains.ts';
import { prepareCall } from '../sync/call.ts';
import { inputLoaderOf, targetCopierOf, type WorkerContext } from './context.ts';

export interface Batches {
  /** Makes the order of the epoch of this step. All workers have to call it together. */
  prepareOrder(step: number): void;
  /** Loads the samples and targets of a step whose order is prepared, and says whose they are. */
  load(step: number): void;
  /** The training sample in a slot of the step that is loaded. */
  sampleIn(slot: number): number;
}

/** Binds the training samples to a worker. */
export function bindBatches(context: WorkerContext): Batches {
  const { plan, worker, memory, member, step, program } = context;
  const { config } = plan;
  const loader = inputLoaderOf(context, plan.regions.data.train.inputs);
  const copyTarget = targetCopierOf(context, plan.regions.data.train);
  const sampleBytes = sizeOf(config.data.inputShape) * 4;
  const order = viewOf(memory, plan.regions.data.order);
  const orderCall = prepareCall({ kind: 'order', length: order.length });

  const loadSample = (sample: number, slot: number): void => {
    const toPtr = program.input.ptr + slot * sampleBytes;
    loader.loadAugmented(sample, toPtr, step.step, step.firstSample + slot);
    copyTarget(sample, slot);
  };

  let loadedFrom = 0;
  return {
    prepareOrder(index) {
      if (worker.rank === 0) {
        const epoch = Math.floor(index / plan.stepsPerEpoch);
        if (config.shuffle) shuffleOrder(order, config.seed, epoch);
        else identityOrder(order);
      }
      member.sync(orderCall);
    },
    load(index) {
      const inEpoch = index % plan.stepsPerEpoch;
      const isLast = inEpoch === plan.stepsPerEpoch - 1;
      const size = isLast ? plan.lastBatch : config.globalBatch;
      step.step = index;
      fillGrains(step, plan.grains.cut, size, worker.grains);
      loadedFrom = inEpoch * config.globalBatch + step.firstSample;
      for (let slot = 0; slot < step.countSamples; slot++) {
        loadSample(order[loadedFrom + slot]!, slot);
      }
    },
    sampleIn: (slot) => order[loadedFrom + slot]!,
  };
}
