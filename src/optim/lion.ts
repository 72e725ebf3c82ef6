// Lion (Chen et al. 2023, arXiv:2302.06675, program 1): steps of constant size along the sign of an
// averaged gradient, with decoupled weight decay.

import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  statePtr,
} from './kind.ts';

/** The optimizer `optim.lion` as plain data. */
export interface LionSpec extends OptimizerBase {
  /** The kind of optimizer. */
  readonly kind: 'lion';
  /** As {@link LionOptions.betas}. */
  readonly betas: readonly [number, number];
}

/** The options of `optim.lion`. */
export interface LionOptions extends DecayOptions {
  /** Learning rate, above 0: the size of each change. Default 1e-4. */
  readonly lr?: number;
  /** Decay rates of the average in the direction of a step, and from step to step, in
   * [0, 1); default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
}

const DEFAULT_LR = 1e-4;

export const lionKind: OptimizerKind<LionOptions, LionSpec> = {
  example: `lion({ lr: ${DEFAULT_LR} })`,
  checks: optionChecks<LionOptions>(({ positive, betas, atLeastZero, flag }) => ({
    lr: positive.exactOptional(),
    betas: betas.exactOptional(),
    weightDecay: atLeastZero.exactOptional(),
    decayNormAndBias: flag.exactOptional(),
  })),
  specOf({ lr = DEFAULT_LR, betas = [0.9, 0.99], weightDecay = 0, decayNormAndBias = true }) {
    return { kind: 'lion', lr, betas: [betas[0], betas[1]], weightDecay, decayNormAndBias };
  },
  stateTensors: () => ['mean'],
  bind(spec, kernels, ratesPtr) {
    const [beta1, beta2] = spec.betas;
    return {
      update(block) {
        kernels.lionStepF32(
          block.paramPtr,
          block.gradPtr,
          statePtr(block, 0),
          block.length,
          ratesPtr,
          beta1,
          beta2,
          block.decays ? spec.weightDecay : 0,
        );
      },
    };
  },
};
