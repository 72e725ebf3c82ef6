// Arguments with which the functions of `optim` work, for door.test.ts.

import type { optim } from '../../src/index.ts';

/** Arguments with which a function works. */
export type Args = () => readonly unknown[];

export const optimizers: Readonly<
  Record<Exclude<keyof typeof optim, 'averaging' | 'schedules'>, Args>
> = {
  adam: () => [{ lr: 0.1, betas: [0.9, 0.999], eps: 1e-8 }],
  adamw: () => [{ weightDecay: 0.1 }],
  lamb: () => [{ lr: 0.1, betas: [0.9, 0.999], adaptNormAndBias: true }],
  lars: () => [{ lr: 0.1, trustCoefficient: 0.01 }],
  lion: () => [{ lr: 0.1, betas: [0.9, 0.99] }],
  rmsprop: () => [{ lr: 0.1, alpha: 0.9, centered: true }],
  sgd: () => [{ lr: 0.1, momentum: 0.9, weightDecay: 0 }],
};

export const schedules: Readonly<Record<keyof typeof optim.schedules, Args>> = {
  constant: () => [{ warmupSteps: 1 }],
  cosine: () => [{ warmupSteps: 1, minLr: 0.1 }],
  plateau: () => [{ monitor: 'loss', factor: 0.5, patience: 1, minLr: 0 }],
  exponential: () => [{ gamma: 0.9, unit: 'epochs' }],
  oneCycle: () => [{ pctStart: 0.3, divFactor: 25, annealStrategy: 'cos' }],
  points: () => [{ points: [[0, 1]] }],
  polynomial: () => [{ power: 2, minLr: 0 }],
  step: () => [{ stepSize: 2, gamma: 0.1 }],
  warmRestarts: () => [{ period: 2, multiplier: 2 }],
};

export const averaging: Readonly<Record<keyof typeof optim.averaging, Args>> = {
  ema: () => [{ decay: 0.9 }],
  swa: () => [{ fromEpoch: 1 }],
};
