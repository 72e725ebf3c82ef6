// RMSprop (Tieleman and Hinton 2012, lecture 6.5), also centered (Graves 2013), PyTorch's formulas.

import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  statePtr,
} from './kind.ts';

/** The optimizer `optim.rmsprop` as plain data. */
export interface RmspropSpec extends OptimizerBase {
  /** The kind of optimizer. */
  readonly kind: 'rmsprop';
  /** As {@link RmspropOptions.alpha}. */
  readonly alpha: number;
  /** As {@link RmspropOptions.eps}. */
  readonly eps: number;
  /** As {@link RmspropOptions.momentum}. */
  readonly momentum: number;
  /** As {@link RmspropOptions.centered}. */
  readonly centered: boolean;
}

/** The options of `optim.rmsprop`. */
export interface RmspropOptions extends DecayOptions {
  /** Learning rate, above 0; default 1e-2. */
  readonly lr?: number;
  /** Decay rate of the average of the squared gradient, in [0, 1); default 0.99. */
  readonly alpha?: number;
  /** Added to the root of the squares; default 1e-8. */
  readonly eps?: number;
  /** Factor of the running sum of updates in each step, in [0, 1); default 0. */
  readonly momentum?: number;
  /** Whether to divide by the standard deviation of the gradient instead of its root mean square;
   * default false. */
  readonly centered?: boolean;
}

const DEFAULT_LR = 1e-2;

export const rmspropKind: OptimizerKind<RmspropOptions, RmspropSpec> = {
  example: `rmsprop({ lr: ${DEFAULT_LR} })`,
  checks: optionChecks<RmspropOptions>(({ positive, shareBelowOne, atLeastZero, flag }) => ({
    lr: positive.exactOptional(),
    alpha: shareBelowOne.exactOptional(),
    eps: positive.exactOptional(),
    momentum: shareBelowOne.exactOptional(),
    centered: flag.exactOptional(),
    weightDecay: atLeastZero.exactOptional(),
    decayNormAndBias: flag.exactOptional(),
  })),
  specOf({ lr = DEFAULT_LR, alpha = 0.99, eps = 1e-8, momentum = 0, centered = false, ...decay }) {
    const { weightDecay = 0, decayNormAndBias = true } = decay;
    return {
      kind: 'rmsprop',
      ...{ lr, alpha, eps, momentum, centered, weightDecay, decayNormAndBias },
    };
  },
  stateTensors: ({ momentum, centered }) => [
    'square',
    ...(centered ? ['mean'] : []),
    ...(momentum === 0 ? [] : ['momentum']),
  ],
  bind(spec, kernels, ratesPtr) {
    const { alpha, eps, momentum, centered, weightDecay } = spec;
    const momentumIndex = centered ? 2 : 1;
    return {
      update(block) {
        kernels.rmspropStepF32(
          block.paramPtr,
          block.gradPtr,
          statePtr(block, 0),
          centered ? statePtr(block, 1) : 0,
          momentum === 0 ? 0 : statePtr(block, momentumIndex),
          block.length,
          ratesPtr,
          alpha,
          eps,
          momentum,
          block.decays ? weightDecay : 0,
        );
      },
    };
  },
};
