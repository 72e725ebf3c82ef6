// Losses: their specs and builders, checked. What they do is in bindLoss.ts.

import { z } from 'zod';
import { optionsSchema, parseKind, parseOptions } from '../../base/parse.ts';
import { share } from '../../base/values.ts';

/** Softmax and cross entropy with class labels, PyTorch's CrossEntropyLoss. */
export interface CrossEntropySpec {
  readonly kind: 'crossEntropy';
  /** This share of the target distribution is spread evenly over all classes. */
  readonly labelSmoothing: number;
}

/** The mean over a sample's outputs of the squared difference from its targets. */
export interface MeanSquaredErrorSpec {
  readonly kind: 'meanSquaredError';
}

export type LossSpec = CrossEntropySpec | MeanSquaredErrorSpec;

export interface CrossEntropyOptions {
  /** This share of the target distribution is spread evenly over all classes, from 0 to 1; default
   * 0. */
  readonly labelSmoothing?: number;
}

const crossEntropySchema = optionsSchema<CrossEntropyOptions>()({
  labelSmoothing: share.exactOptional(),
});

/** Cross entropy of softmax(output). Throws a {@link UsageError}. */
export function crossEntropy(options: CrossEntropyOptions = {}): CrossEntropySpec {
  const example = 'crossEntropy({ labelSmoothing: 0.1 })';
  const given = parseOptions('crossEntropy', crossEntropySchema, options, { example });
  return { kind: 'crossEntropy', labelSmoothing: given.labelSmoothing ?? 0 };
}

/** The mean over outputs and samples of the squared difference. */
export function meanSquaredError(): MeanSquaredErrorSpec {
  return { kind: 'meanSquaredError' };
}

/** A loss from plain data. Throws a {@link UsageError}. */
export function parseLoss(given: unknown): LossSpec {
  const { kind, rest } = parseKind(
    'loss',
    { crossEntropy: 'nn.crossEntropy()', meanSquaredError: 'nn.meanSquaredError()' },
    given,
  );
  if (kind === 'crossEntropy') return crossEntropy(rest);
  parseOptions('meanSquaredError', z.strictObject({}), rest);
  return meanSquaredError();
}
