// Adam (Kingma and Ba 2015), which adds the weight decay to the gradient, and AdamW (Loshchilov and
// Hutter 2019), which shrinks the weights by lr * weightDecay in each step, independently of the
// gradient. PyTorch's formulas.

import {
  type DecayOptions,
  type OptimizerBase,
  type OptimizerKind,
  optionChecks,
  statePtr,
} from './kind.ts';
import { integerPower } from './portable.ts';

/** The optimizers `optim.adam` and `optim.adamw` as plain data. */
export interface AdamSpec extends OptimizerBase {
  /** `adam` adds the decay to the gradient, `adamw` shrinks the weights themselves. */
  readonly kind: 'adam' | 'adamw';
  /** As {@link AdamOptions.betas}. */
  readonly betas: readonly [number, number];
  /** As {@link AdamOptions.eps}. */
  readonly eps: number;
}

/** `weightDecay` is 0 by default for adam, 0.01 for adamw. */
export interface AdamOptions extends DecayOptions {
  /** Learning rate, above 0; default 1e-3. */
  readonly lr?: number;
  /** Decay rates of the averages of gradient and squared gradient, in
   * [0, 1); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the squares; default 1e-8. */
  readonly eps?: number;
}

const DEFAULT_LR = 1e-3;
const DEFAULT_BETAS = [0.9, 0.999] as const;
const DEFAULT_EPS = 1e-8;

export const adamKind = kindOf('adam', 0);
export const adamwKind = kindOf('adamw', 0.01);

function kindOf(
  kind: AdamSpec['kind'],
  defaultDecay: number,
): OptimizerKind<AdamOptions, AdamSpec> {
  return {
    example: `${kind}({ lr: ${DEFAULT_LR} })`,
    checks: optionChecks<AdamOptions>(({ positive, betas, atLeastZero, flag }) => ({
      lr: positive.exactOptional(),
      betas: betas.exactOptional(),
      eps: positive.exactOptional(),
      weightDecay: atLeastZero.exactOptional(),
      decayNormAndBias: flag.exactOptional(),
    })),
    specOf({ lr = DEFAULT_LR, betas = DEFAULT_BETAS, eps = DEFAULT_EPS, ...decay }) {
      const { weightDecay = defaultDecay, decayNormAndBias = true } = decay;
      return { kind, lr, betas: [betas[0], betas[1]], eps, weightDecay, decayNormAndBias };
    },
    stateTensors: () => ['mean', 'square'],
    // The bias corrections.
    ownRates: ({ betas }, step) => betas.map((beta) => 1 - integerPower(beta, step + 1)),
    bind(spec, kernels, ratesPtr) {
      const { eps, weightDecay } = spec;
      const [beta1, beta2] = spec.betas;
      const decoupled = kind === 'adamw' ? 1 : 0;
      return {
        update(block) {
          kernels.adamStepF32(
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
            decoupled,
          );
        },
      };
    },
  };
}
