// LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2, with phi(z) = z): Adam with decoupled
// weight decay and a step that is scaled to the norm of each tensor, for large batches.

import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  RATE_TRUST,
  statePtr,
} from './kind.ts';
import { integerPower } from './portable.ts';

/** The optimizer `optim.lamb` as plain data. */
export interface LambSpec extends OptimizerBase {
  /** The kind of optimizer. */
  readonly kind: 'lamb';
  /** As {@link LambOptions.betas}. */
  readonly betas: readonly [number, number];
  /** As {@link LambOptions.eps}. */
  readonly eps: number;
  /** As {@link LambOptions.adaptNormAndBias}. */
  readonly adaptNormAndBias: boolean;
}

/** `weightDecay` is 0.01 by default, `decayNormAndBias` false. */
export interface LambOptions extends DecayOptions {
  /** Learning rate, above 0; default 1e-3. */
  readonly lr?: number;
  /** Decay rates of the averages of gradient and squared gradient, in
   * [0, 1); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the squares; default 1e-6. */
  readonly eps?: number;
  /** Whether the rate of norm parameters and biases is adapted too; default false. */
  readonly adaptNormAndBias?: boolean;
}

const DEFAULT_LR = 1e-3;

export const lambKind: OptimizerKind<LambOptions, LambSpec> = {
  example: `lamb({ lr: ${DEFAULT_LR} })`,
  checks: optionChecks<LambOptions>(({ positive, betas, atLeastZero, flag }) => ({
    lr: positive.exactOptional(),
    betas: betas.exactOptional(),
    eps: positive.exactOptional(),
    weightDecay: atLeastZero.exactOptional(),
    decayNormAndBias: flag.exactOptional(),
    adaptNormAndBias: flag.exactOptional(),
  })),
  specOf({ lr = DEFAULT_LR, betas = [0.9, 0.999], eps = 1e-6, ...rest }) {
    const { weightDecay = 0.01, decayNormAndBias = false, adaptNormAndBias = false } = rest;
    return {
      kind: 'lamb',
      ...{ lr, betas: [betas[0], betas[1]], eps },
      ...{ weightDecay, decayNormAndBias, adaptNormAndBias },
    };
  },
  stateTensors: () => ['mean', 'square'],
  hasTrust: true,
  // The trust ratio, and the bias corrections.
  ownRates: ({ betas }, step) => [1, ...betas.map((beta) => 1 - integerPower(beta, step + 1))],
  bind(spec, kernels, ratesPtr) {
    const { eps, weightDecay } = spec;
    const [beta1, beta2] = spec.betas;
    return {
      trust: {
        adaptsNormAndBias: spec.adaptNormAndBias,
        prepare(block, sumsPtr) {
          kernels.sumSquaresF32(block.paramPtr, block.length, sumsPtr);
          kernels.lambMomentsF32(
            block.paramPtr,
            block.gradPtr,
            statePtr(block, 0),
            statePtr(block, 1),
            block.length,
            ratesPtr,
            beta1,
            beta2,
            eps,
            block.decays ? weightDecay : 0,
            sumsPtr + 8,
          );
        },
        writeRatio(sums, _decays, rates) {
          const weight = Math.sqrt(sums[0]!);
          const direction = Math.sqrt(sums[1]!);
          // Otherwise a tensor of zeros would always stay zero.
          rates[RATE_TRUST] = weight === 0 || direction === 0 ? 1 : weight / direction;
        },
      },
      update(block) {
        kernels.lambStepF32(
          block.paramPtr,
          statePtr(block, 0),
          statePtr(block, 1),
          block.length,
          ratesPtr,
          eps,
          block.decays ? weightDecay : 0,
        );
      },
    };
  },
};
