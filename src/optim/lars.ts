// LARS (You, Gitman and Ginsburg 2017, arXiv:1708.03888, algorithm 1): momentum SGD with a rate
// adapted to each tensor by the ratio of its norm to its gradient's norm, for large batches.

import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  RATE_GRAD_SCALE,
  RATE_TRUST,
  statePtr,
} from './kind.ts';

/** The optimizer `optim.lars` as plain data. */
export interface LarsSpec extends OptimizerBase {
  /** The kind of optimizer. */
  readonly kind: 'lars';
  /** As {@link LarsOptions.momentum}. */
  readonly momentum: number;
  /** As {@link LarsOptions.trustCoefficient}. */
  readonly trustCoefficient: number;
  /** As {@link LarsOptions.eps}. */
  readonly eps: number;
  /** As {@link LarsOptions.adaptNormAndBias}. */
  readonly adaptNormAndBias: boolean;
}

/** `decayNormAndBias` is false by default. */
export interface LarsOptions extends DecayOptions {
  /** Global learning rate, above 0; no default, since it depends on the batch size. */
  readonly lr: number;
  /** Factor of the running sum of updates in each step, in [0, 1); default 0.9. */
  readonly momentum?: number;
  /** Factor of the ratio, above 0; default 0.001. */
  readonly trustCoefficient?: number;
  /** Added to the denominator of the ratio; default 1e-8. */
  readonly eps?: number;
  /** Whether the rate of norm parameters and biases is adapted too; default false. */
  readonly adaptNormAndBias?: boolean;
}

export const larsKind: OptimizerKind<LarsOptions, LarsSpec> = {
  example: 'lars({ lr: 2 })',
  checks: optionChecks<LarsOptions>(({ positive, shareBelowOne, atLeastZero, flag }) => ({
    lr: positive,
    momentum: shareBelowOne.exactOptional(),
    trustCoefficient: positive.exactOptional(),
    eps: positive.exactOptional(),
    weightDecay: atLeastZero.exactOptional(),
    decayNormAndBias: flag.exactOptional(),
    adaptNormAndBias: flag.exactOptional(),
  })),
  specOf({ lr, momentum = 0.9, trustCoefficient = 0.001, eps = 1e-8, ...rest }) {
    const { weightDecay = 0, decayNormAndBias = false, adaptNormAndBias = false } = rest;
    return {
      kind: 'lars',
      ...{ lr, momentum, trustCoefficient, eps },
      ...{ weightDecay, decayNormAndBias, adaptNormAndBias },
    };
  },
  stateTensors: ({ momentum }) => (momentum === 0 ? [] : ['momentum']),
  hasTrust: true,
  ownRates: () => [1],
  bind(spec, kernels, ratesPtr) {
    const { momentum, trustCoefficient, eps, weightDecay } = spec;
    return {
      trust: {
        adaptsNormAndBias: spec.adaptNormAndBias,
        prepare(block, sumsPtr) {
          kernels.sumSquaresF32(block.paramPtr, block.length, sumsPtr);
          kernels.sumSquaresF32(block.gradPtr, block.length, sumsPtr + 8);
        },
        writeRatio(sums, decays, rates) {
          const weight = Math.sqrt(sums[0]!);
          const gradient = Math.sqrt(sums[1]!) * rates[RATE_GRAD_SCALE]!;
          const denominator = gradient + (decays ? weightDecay : 0) * weight + eps;
          // Otherwise a tensor of zeros would always stay zero.
          const isEmpty = weight === 0 || gradient === 0;
          rates[RATE_TRUST] = isEmpty ? 1 : (trustCoefficient * weight) / denominator;
        },
      },
      update(block) {
        kernels.larsStepF32(
          block.paramPtr,
          block.gradPtr,
          momentum === 0 ? 0 : statePtr(block, 0),
          block.length,
          ratesPtr,
          momentum,
          block.decays ? weightDecay : 0,
        );
      },
    };
  },
};
