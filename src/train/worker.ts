// One worker's side of a run: the step, evaluation and prediction, on bound addresses. Everything
// here is synchronous; what starts it and what listens to it is in `runtime`. Nothing is allocated
// in a step.

import { RunError, UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { createInputLoader, type InputLoader } from '../data/inputs.ts';
import { fillShard, identityOrder, shuffleOrder } from '../data/sampler.ts';
import { instantiateKernels } from '../kernels/load.ts';
import { typedView } from '../memory/arena.ts';
import type { StepState } from '../nn/layer.ts';
import { bindLoss } from '../nn/losses.ts';
import { prepareCall } from '../sync/call.ts';
import { attachMember } from '../sync/group.ts';
import { progressWords, readPosition } from '../sync/words.ts';
import { foldShardSums } from './epochSums.ts';
import type { RunPlan } from './plan.ts';
import { bindProgram, layerNames } from './program.ts';
import { bindUpdate } from './update.ts';

/** Which samples to evaluate. */
export type SplitName = 'train' | 'test';

/** Word of the progress line: steps that are done. */
export const PROGRESS_STEPS = 0;
/** Word of the progress line: samples of an evaluation that rank 0 has passed. */
export const PROGRESS_EVALUATED = 1;

export interface TrainWorker {
  /** Trains steps [from, to), fewer when a stop is asked for; the schedule of learning rates ends
   * at `totalSteps`. Returns the steps done in all. */
  train(from: number, to: number, totalSteps: number): number;
  /** Writes loss and correctness of each sample of a split into `evaluation.samples`. */
  evaluate(split: SplitName): void;
  /** Runs the first `count` samples of `predict.inputs` and writes `predict.outputs`. */
  predict(count: number): void;
  /** Says that no more calls come. */
  finish(): void;
}

export interface WorkerSetup {
  readonly plan: RunPlan;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly rank: number;
}

/** Binds a worker to the arena. */
export function bindWorker(setup: WorkerSetup): TrainWorker {
  const { plan, memory, rank } = setup;
  const { config, layout } = plan;
  const worker = plan.workers[rank]!;
  const { replicas } = worker;
  const countLocalReplicas = replicas.hi - replicas.lo;
  const kernels = instantiateKernels(setup.module, memory);
  const words = typedView(memory, layout.get('control'), 'i32');
  const names = layerNames(plan);
  const member = attachMember(words, rank, names);
  const progress = progressWords(words);
  const step: StepState = {
    training: true,
    step: 0,
    countSamples: 0,
    replicaStart: new Int32Array(countLocalReplicas + 1),
    firstSample: 0,
    globalCount: 0,
  };
  const program = bindProgram({ plan, worker, kernels, memory, member, step });
  const update = bindUpdate({ plan, kernels, memory, member });
  const { inputShape, inputType, task } = config.data;
  const sampleBytes = sizeOf(inputShape) * 4;
  const ptrOf = (name: string): number => layout.get(name).offsetBytes;
  const loaderOf = (inputsName: string): InputLoader =>
    createInputLoader({
      kernels,
      inputShape,
      inputType,
      inputsPtr: ptrOf(inputsName),
      normalizationPtr: ptrOf('data.normalization'),
      augmentation: config.augmentation,
      seed: config.seed,
    });
  const loaders = {
    train: loaderOf('data.train.inputs'),
    test: loaderOf('data.test.inputs'),
    predict: loaderOf('predict.inputs'),
  };
  const targetType = task.kind === 'classification' ? 'i32' : 'f32';
  const targetLength = task.kind === 'classification' ? 1 : sizeOf(task.targetShape);
  const targetsOf = {
    train: typedView(memory, layout.get('data.train.targets'), targetType),
    test: typedView(memory, layout.get('data.test.targets'), targetType),
  };
  const targets = typedView(memory, layout.get(`rank ${rank}.targets`), targetType);
  const losses = typedView(memory, layout.get(`rank ${rank}.losses`), 'f64');
  const correct = typedView(memory, layout.get(`rank ${rank}.correct`), 'i32');
  const order = typedView(memory, layout.get('data.order'), 'i32');
  const shardSums = typedView(memory, layout.get('shard.sums'), 'f64');
  const epochSums = typedView(memory, layout.get('epoch.sums'), 'f64');
  const evaluated = typedView(memory, layout.get('evaluation.samples'), 'f64');
  const predicted = typedView(memory, layout.get('predict.outputs'), 'f32');
  const loss = bindLoss(config.loss, {
    kernels,
    step,
    outputLength: sizeOf(program.output.shape),
    outputPtr: program.output.ptr,
    outputGradPtr: program.output.gradPtr,
    targetsPtr: ptrOf(`rank ${rank}.targets`),
    lossesPtr: ptrOf(`rank ${rank}.losses`),
    correctPtr: ptrOf(`rank ${rank}.correct`),
  });
  const orderCall = prepareCall({ kind: 'order', length: order.length });
  const gradientsCall = prepareCall({ kind: 'gradients', length: plan.parameters.length });
  const weightsCall = prepareCall({ kind: 'weights', length: plan.parameters.length });

  const setTarget = (from: typeof targets, sample: number, slot: number): void => {
    for (let i = 0; i < targetLength; i++) {
      targets[slot * targetLength + i] = from[sample * targetLength + i]!;
    }
  };

  const forward = (): void => {
    for (let i = 0; i < program.operations.length; i++) {
      const operation = program.operations[i]!;
      member.setPosition(step.step, operation.layerId);
      operation.forward();
    }
  };

  const backward = (): void => {
    for (let i = program.operations.length - 1; i >= 0; i--) {
      const operation = program.operations[i]!;
      member.setPosition(step.step, operation.layerId);
      operation.backward();
    }
  };

  /** The losses and hits of this worker's samples, replica by replica. */
  const sumShards = (): void => {
    for (let replica = 0; replica < countLocalReplicas; replica++) {
      let lossSum = 0;
      let correctCount = 0;
      const end = step.replicaStart[replica + 1]!;
      for (let sample = step.replicaStart[replica]!; sample < end; sample++) {
        lossSum += losses[sample]!;
        correctCount += correct[sample]!;
      }
      shardSums[(replicas.lo + replica) * 2] = lossSum;
      shardSums[(replicas.lo + replica) * 2 + 1] = correctCount;
    }
  };

  const prepareOrder = (epoch: number): void => {
    if (rank === 0) {
      if (config.shuffle) shuffleOrder(order, config.seed, epoch);
      else identityOrder(order);
    }
    member.sync(orderCall);
  };

  const loadTrainingSample = (sample: number, slot: number): void => {
    const toPtr = program.input.ptr + slot * sampleBytes;
    loaders.train.loadAugmented(sample, toPtr, step.step, step.firstSample + slot);
    setTarget(targetsOf.train, sample, slot);
  };

  /** One optimizer step. Returns whether the run is asked to stop behind it. */
  const trainStep = (index: number): boolean => {
    const inEpoch = index % plan.stepsPerEpoch;
    const isLast = inEpoch === plan.stepsPerEpoch - 1;
    step.step = index;
    fillShard(step, isLast ? plan.lastBatch : config.globalBatch, config.replicas, replicas);
    const first = inEpoch * config.globalBatch + step.firstSample;
    for (let slot = 0; slot < step.countSamples; slot++) {
      loadTrainingSample(order[first + slot]!, slot);
    }
    forward();
    loss.run();
    sumShards();
    backward();
    member.setPosition(index, -1);
    member.sync(gradientsCall);
    update.run(index);
    for (let i = 0; i < program.bufferUpdates.length; i++) {
      const buffers = program.bufferUpdates[i]!;
      member.setPosition(index, buffers.layerId);
      buffers.update();
    }
    member.setPosition(index, -1);
    if (rank === 0) {
      if (inEpoch === 0) epochSums.fill(0);
      foldShardSums(epochSums, shardSums, step.globalCount);
    }
    const isStopping = member.syncStop(weightsCall);
    if (rank === 0) Atomics.store(progress, PROGRESS_STEPS, index + 1);
    return isStopping;
  };

  /** Runs samples [0, count) of a source through the model in batches, without training. */
  const inferBatches = (
    count: number,
    loader: InputLoader,
    beforeBatch: (first: number) => void,
    afterBatch: (first: number) => void,
  ): void => {
    step.training = false;
    for (let from = 0; from < count; from += config.globalBatch) {
      fillShard(step, Math.min(config.globalBatch, count - from), config.replicas, replicas);
      const first = from + step.firstSample;
      for (let slot = 0; slot < step.countSamples; slot++) {
        loader.load(first + slot, program.input.ptr + slot * sampleBytes);
      }
      beforeBatch(first);
      forward();
      afterBatch(first);
      if (rank === 0) Atomics.store(progress, PROGRESS_EVALUATED, from + step.globalCount);
    }
    step.training = true;
  };

  return {
    train: (from, to, totalSteps) =>
      locating(() => {
        step.training = true;
        update.prepare(from, to, totalSteps);
        let done = from;
        while (done < to) {
          if (done === from || done % plan.stepsPerEpoch === 0) {
            prepareOrder(Math.floor(done / plan.stepsPerEpoch));
          }
          const isStopping = trainStep(done);
          done++;
          if (isStopping) break;
        }
        return done;
      }),
    evaluate: (split) =>
      locating(() => {
        inferBatches(
          split === 'train' ? config.data.countTrain : config.data.countTest,
          loaders[split],
          (first) => {
            for (let i = 0; i < step.countSamples; i++) setTarget(targetsOf[split], first + i, i);
          },
          (first) => {
            loss.run();
            for (let i = 0; i < step.countSamples; i++) {
              evaluated[(first + i) * 2] = losses[i]!;
              evaluated[(first + i) * 2 + 1] = correct[i]!;
            }
          },
        );
      }),
    predict: (count) =>
      locating(() => {
        const outputLength = sizeOf(program.output.shape);
        const floats = new Float32Array(memory.buffer);
        inferBatches(
          count,
          loaders.predict,
          () => {},
          (first) => {
            const from = program.output.ptr / 4;
            const values = floats.subarray(from, from + step.countSamples * outputLength);
            predicted.set(values, first * outputLength);
          },
        );
      }),
    finish: () => member.finish(),
  };

  /** Adds rank, step and layer to whatever is thrown in a pass. */
  function locating<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof RunError || error instanceof UsageError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new RunError({ reason, rank, ...position() }, { cause: error });
    }
  }

  function position(): { step: number; layer?: string } {
    const layer = names[readPosition(words, rank).layerId ?? -1];
    return { step: step.step, ...(layer !== undefined && { layer }) };
  }
}
