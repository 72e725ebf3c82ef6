// Random runs: a random model with a random dataset, optimizer, schedule, batch and augmentation.

import {
  type Dataset,
  type OptimizerSpec,
  optim,
  type ScheduleSpec,
  synthetic,
  type TrainerOptions,
} from '../../src/index.ts';
import type { Dice } from './dice.ts';
import { randomModel } from './randomModel.ts';

export interface RandomRun {
  /** Everything but the workers. */
  readonly options: TrainerOptions;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

/** The largest number of workers in a campaign: a batch has a grain for each. */
export const MOST_WORKERS = 5;

/** A run of a few steps with valid statistics: no shard of a local norm is too small. */
export function randomRun(dice: Dice): RandomRun {
  const isImage = dice.chance(0.75);
  const inputShape = isImage
    ? [dice.between(3, 9), dice.between(3, 9), dice.pick([1, 2, 3, 4])]
    : [dice.between(2, 24)];
  const classes = dice.between(2, 6);
  const replicas = dice.between(5, 9);
  const batch = dice.between(Math.max(MOST_WORKERS, replicas - 2), 4 * replicas);
  const steps = dice.between(1, 3);
  const dropLast = dice.chance(0.3);
  const rest = dice.chance(dropLast ? 0.8 : 0.4) ? dice.between(2, batch - 1) : 0;
  const train = batch * steps + rest;
  // Evaluation has a last batch, too, whether training drops it or not.
  const smallest = rest === 0 ? batch : rest;
  // If a norm keeps no statistics, evaluation has shards, too, and each needs two values.
  const test = batch < 2 * replicas || dice.chance(0.2) ? 0 : dice.between(2 * replicas, batch);
  const data = withTask(dice, synthetic({ train, test, shape: inputShape, classes, seed: 1 }));
  const outputs = data.task.kind === 'classification' ? classes : data.task.targetShape[0]!;
  const leastShard = Math.floor(smallest / replicas);
  const model = randomModel(dice, { inputShape, outputs, replicas, leastShard });
  const stepsPerEpoch = steps + (rest > 0 && !dropLast ? 1 : 0);
  const epochs = dice.between(1, 3);
  const options: TrainerOptions = {
    model,
    data,
    optimizer: randomOptimizer(dice),
    schedule: randomSchedule(dice, epochs * stepsPerEpoch),
    replicas,
    globalBatch: batch,
    dropLast,
    shuffle: dice.chance(0.8),
    seed: dice.below(2 ** 31),
    mode: dice.pick(['fast', 'strict']),
    diagnosticsEvery: dice.pick([0, 1, 3]),
    onNotice: () => {},
    ...(dice.chance(0.3) && { clipNorm: dice.uniform(0.1, 2) }),
    ...(isImage && dice.chance(0.4) && { augmentation: { shift: 1, flip: dice.chance(0.5) } }),
    ...(dice.chance(0.1) && { profile: true }),
  };
  return { options, epochs, stepsPerEpoch };
}

/** The dataset as it is, with bytes for inputs, or with numbers to predict. */
function withTask(dice: Dice, data: Dataset): Dataset {
  if (dice.chance(0.25)) {
    const bytesOf = (values: Uint8Array | Float32Array): Uint8Array =>
      Uint8Array.from(values, (value) => Math.max(0, Math.min(255, 128 + 50 * value)));
    const [train, test] = [data.train, data.test].map((split) => ({
      ...split,
      inputs: bytesOf(split.inputs),
    }));
    return { ...data, inputType: 'u8', train: train!, test: test! };
  }
  if (dice.chance(0.25)) {
    const [train, test] = [data.train, data.test].map((split) => ({
      ...split,
      targets: Float32Array.from({ length: 2 * split.count }, (_, i) => Math.sin(i)),
    }));
    const task = { kind: 'regression', targetShape: [2] } as const;
    return { ...data, task, train: train!, test: test! };
  }
  return data;
}

function randomOptimizer(dice: Dice): OptimizerSpec {
  const weightDecay = dice.pick([0, 0.01]);
  const decayNormAndBias = dice.chance(0.5);
  if (dice.chance(0.5)) {
    const momentum = dice.pick([0, 0.9]);
    const nesterov = momentum > 0 && dice.chance(0.5);
    const lr = dice.uniform(0.001, 0.05);
    return optim.sgd({ lr, momentum, nesterov, weightDecay, decayNormAndBias });
  }
  const options = { lr: dice.uniform(1e-4, 1e-2), weightDecay, decayNormAndBias };
  return dice.chance(0.5) ? optim.adam(options) : optim.adamw(options);
}

function randomSchedule(dice: Dice, totalSteps: number): ScheduleSpec {
  const warmupSteps = dice.chance(0.4) ? dice.between(1, Math.max(1, totalSteps - 1)) : 0;
  const warmup = { warmupSteps: Math.min(warmupSteps, Math.max(0, totalSteps - 1)) };
  return dice.pick([
    () => optim.schedules.constant(warmup),
    () => optim.schedules.cosine({ ...warmup, minLr: dice.pick([0, 1e-5]) }),
    () => optim.schedules.step({ ...warmup, stepSize: dice.between(1, 4), gamma: 0.5 }),
    () => optim.schedules.step({ ...warmup, milestones: [1, 3], gamma: 0.5 }),
  ])();
}
