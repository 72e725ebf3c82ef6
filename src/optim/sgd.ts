// Stochastic gradient descent with momentum or Nesterov momentum, PyTorch's formulas.

import { UsageError } from '../base/errors.ts';
import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  statePtr,
} from './kind.ts';

/** The optimizer `optim.sgd` as plain data. */
export interface SgdSpec extends OptimizerBase {
  /** The kind of optimizer. */
  readonly kind: 'sgd';
  /** As {@link SgdOptions.momentum}. */
  readonly momentum: number;
  /** As {@link SgdOptions.nesterov}. */
  readonly nesterov: boolean;
}

/** The options of `optim.sgd`. */
export interface SgdOptions extends DecayOptions {
  /** Learning rate, above 0. There is no default. */
  readonly lr: number;
  /** Factor of the running sum of gradients in each step, in [0, 1); default 0. */
  readonly momentum?: number;
  /** Whether to use Nesterov momentum, which needs a momentum above 0; default false. */
  readonly nesterov?: boolean;
}

export const sgdKind: OptimizerKind<SgdOptions, SgdSpec> = {
  example: 'sgd({ lr: 0.1 })',
  checks: optionChecks<SgdOptions>(({ positive, shareBelowOne, atLeastZero, flag }) => ({
    lr: positive,
    momentum: shareBelowOne.exactOptional(),
    nesterov: flag.exactOptional(),
    weightDecay: atLeastZero.exactOptional(),
    decayNormAndBias: flag.exactOptional(),
  })),
  specOf({ lr, momentum = 0, nesterov = false, weightDecay = 0, decayNormAndBias = true }) {
    if (nesterov && momentum === 0) {
      throw new UsageError({
        what: 'sgd nesterov without momentum',
        given: momentum,
        allowed: 'a momentum above 0',
        hint: 'momentum 0.9',
      });
    }
    return { kind: 'sgd', lr, momentum, nesterov, weightDecay, decayNormAndBias };
  },
  stateTensors: ({ momentum }) => (momentum === 0 ? [] : ['momentum']),
  bind(spec, kernels, ratesPtr) {
    const { momentum, weightDecay } = spec;
    const nesterov = spec.nesterov ? 1 : 0;
    return {
      update(block) {
        kernels.sgdStepF32(
          block.paramPtr,
          block.gradPtr,
          momentum === 0 ? 0 : statePtr(block, 0),
          block.length,
          ratesPtr,
          momentum,
          nesterov,
          block.decays ? weightDecay : 0,
        );
      },
    };
  },
};
