// The public face of syncbn. Everything that users may rely on is named here, by hand.

import { gelu, leakyRelu, relu, sigmoid, tanh } from './nn/activations.ts';
import { conv2d } from './nn/conv2d.ts';
import { convertNorm } from './nn/convertNorm.ts';
import { custom } from './nn/custom.ts';
import { dropout } from './nn/dropout.ts';
import { flatten } from './nn/flatten.ts';
import { linear } from './nn/linear.ts';
import { crossEntropy, meanSquaredError } from './nn/losses.ts';
import { namedModel } from './nn/models.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from './nn/norms.ts';
import { parseModel } from './nn/parse.ts';
import { avgPool, globalAvgPool, maxPool } from './nn/pools.ts';
import { residual, sequential } from './nn/spec.ts';
import { adam, adamw, sgd } from './optim/optimizer.ts';
import { constant, cosine, step } from './optim/schedule.ts';

export { InvariantError, RunError, UsageError } from './base/errors.ts';
export type { Augmentation } from './data/augment.ts';
export type { Dataset, Split, Task } from './data/dataset.ts';
export { mnist } from './data/mnist.ts';
export { openDataset } from './data/open.ts';
export { synthetic } from './data/synthetic.ts';
export type { NumericMode } from './kernels/load.ts';
export type { CustomBackward, CustomForward, CustomLayer, CustomParameter } from './nn/custom.ts';
export type { LossSpec } from './nn/losses.ts';
export type { LayerSpec } from './nn/spec.ts';
export type { OptimizerSpec } from './optim/optimizer.ts';
export type { ScheduleSpec } from './optim/schedule.ts';
export { type LaunchOptions, launch } from './runtime/launch.ts';
export type { Job, JobContext } from './runtime/launchWorker.ts';
export type { Progress } from './runtime/progress.ts';
export type { ResumeOptions } from './runtime/resume.ts';
export { type Evaluation, type FitOptions, Trainer } from './runtime/trainer.ts';
export type { TrainerOptions } from './runtime/trainerOptions.ts';
export type { Group } from './sync/group.ts';

/** Layers, losses and models: plain data made by small functions. */
export const nn = {
  avgPool,
  batchNorm,
  conv2d,
  convertNorm,
  crossEntropy,
  custom,
  dropout,
  flatten,
  gelu,
  globalAvgPool,
  groupNorm,
  instanceNorm,
  layerNorm,
  leakyRelu,
  linear,
  maxPool,
  meanSquaredError,
  namedModel,
  parseModel,
  relu,
  residual,
  sequential,
  sigmoid,
  tanh,
};

/** Optimizers and schedules of the learning rate. */
export const optim = { adam, adamw, constant, cosine, sgd, step };
