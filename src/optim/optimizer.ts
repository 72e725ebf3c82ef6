// Optimizers as plain data: SGD (momentum, Nesterov), Adam (Kingma and Ba 2015) and AdamW
// (Loshchilov and Hutter 2019), with PyTorch's defaults. What they do is in bindOptimizer.ts.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseKind, parseOptions } from '../base/parse.ts';
import { accept, atLeastZero, flag, positive, shareBelowOne } from '../base/values.ts';

export interface SgdSpec {
  readonly kind: 'sgd';
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly decayNormAndBias: boolean;
}

export interface AdamSpec {
  /** `adam` adds the decay to the gradient, `adamw` shrinks the weights themselves. */
  readonly kind: 'adam' | 'adamw';
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly decayNormAndBias: boolean;
}

export type OptimizerSpec = SgdSpec | AdamSpec;

export interface SgdOptions {
  /** Learning rate, above 0. */
  readonly lr: number;
  /** What the running sum of gradients is multiplied with in each step, in [0, 1); default 0. */
  readonly momentum?: number;
  /** Look ahead along the momentum, which must be above 0; default false. */
  readonly nesterov?: boolean;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Whether norm parameters and biases decay too; default true, as in PyTorch. */
  readonly decayNormAndBias?: boolean;
}

export interface AdamOptions {
  /** Learning rate, above 0; default 1e-3. */
  readonly lr?: number;
  /** What the averages of gradient and squared gradient keep, in [0, 1); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the squares; default 1e-8. */
  readonly eps?: number;
  /** Default 0 for adam, 0.01 for adamw. */
  readonly weightDecay?: number;
  /** Whether norm parameters and biases decay too; default true, as in PyTorch. */
  readonly decayNormAndBias?: boolean;
}

const DEFAULT_ADAM_LR = 1e-3;
const DEFAULT_BETAS = [0.9, 0.999] as const;
const DEFAULT_EPS = 1e-8;
const DEFAULT_ADAMW_DECAY = 0.01;

const sgdSchema = optionsSchema<SgdOptions>()({
  lr: positive,
  momentum: shareBelowOne.exactOptional(),
  nesterov: flag.exactOptional(),
  weightDecay: atLeastZero.exactOptional(),
  decayNormAndBias: flag.exactOptional(),
});

const adamSchema = optionsSchema<AdamOptions>()({
  lr: positive.exactOptional(),
  betas: accept<readonly [number, number]>('two numbers from 0 to below 1', (betas) => {
    if (!Array.isArray(betas) || betas.length !== 2) return false;
    return [betas[0], betas[1]].every((beta) => shareBelowOne.safeParse(beta).success);
  }).exactOptional(),
  eps: positive.exactOptional(),
  weightDecay: atLeastZero.exactOptional(),
  decayNormAndBias: flag.exactOptional(),
});

/** Stochastic gradient descent: without a learning rate there is nothing to do, so `lr` has no
 * default. Throws a {@link UsageError} for options that are unknown or out of range, and for
 * nesterov without momentum. */
export function sgd(options: SgdOptions): SgdSpec {
  const example = 'sgd({ lr: 0.1 })';
  const { momentum = 0, ...given } = parseOptions('sgd', sgdSchema, options, { example });
  const { lr, nesterov = false, weightDecay = 0, decayNormAndBias = true } = given;
  if (nesterov && momentum === 0) {
    throw new UsageError({
      what: 'sgd nesterov without momentum',
      given: momentum,
      allowed: 'a momentum above 0',
      hint: 'momentum 0.9',
    });
  }
  return { kind: 'sgd', lr, momentum, nesterov, weightDecay, decayNormAndBias };
}

/** Adam: weight decay, if any, is added to the gradient. Throws a {@link UsageError} for options
 * that are unknown or out of range. */
export function adam(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adam', options, 0);
}

/** AdamW: weights shrink by lr * weightDecay in each step, apart from the gradient. Throws a
 * {@link UsageError} for options that are unknown or out of range. */
export function adamw(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adamw', options, DEFAULT_ADAMW_DECAY);
}

function adamSpec(kind: AdamSpec['kind'], options: AdamOptions, defaultDecay: number): AdamSpec {
  const example = `${kind}({ lr: ${DEFAULT_ADAM_LR} })`;
  const given = parseOptions(kind, adamSchema, options, { example });
  const { lr = DEFAULT_ADAM_LR, betas = DEFAULT_BETAS, eps = DEFAULT_EPS } = given;
  const { weightDecay = defaultDecay, decayNormAndBias = true } = given;
  return { kind, lr, betas: [betas[0], betas[1]], eps, weightDecay, decayNormAndBias };
}

/** An optimizer from plain data: what the builders give, or their options with a `kind`. Throws a
 * {@link UsageError}. */
export function parseOptimizer(given: unknown): OptimizerSpec {
  const { kind, rest } = parseKind(
    'optimizer',
    { sgd: 'optim.sgd({ lr: 0.1 })', adam: 'optim.adam()', adamw: 'optim.adamw()' },
    given,
  );
  if (kind === 'sgd') return sgd(rest as unknown as SgdOptions);
  return kind === 'adam' ? adam(rest) : adamw(rest);
}
