// The learning rate scaled with the global batch: linearly (Goyal et al. 2017, arXiv:1706.02677) or
// with its square root (Krizhevsky 2014, arXiv:1404.5997; You et al. 2020 for LAMB).

import { optionsSchema, parseOptions } from '../base/parse.ts';
import { oneOf, wholeNumber } from '../base/values.ts';

export const LR_SCALING_RULES = ['linear', 'sqrt'] as const;

/** How the learning rate grows with the batch. */
export interface LrScaling {
  /** `linear`: lr * globalBatch / baseBatch; `sqrt`: lr * sqrt(globalBatch / baseBatch). */
  readonly rule: (typeof LR_SCALING_RULES)[number];
  /** The global batch, in samples, that the optimizer's rate is meant for. */
  readonly baseBatch: number;
}

const lrScalingSchema = optionsSchema<LrScaling>()({
  rule: oneOf(LR_SCALING_RULES),
  baseBatch: wholeNumber(1),
});

/** Checks the scaling. Throws a {@link UsageError}. */
export function parseLrScaling(given: unknown): LrScaling {
  const example = "{ rule: 'linear', baseBatch: 256 }";
  return parseOptions('lrScaling', lrScalingSchema, given, { example });
}

/** The learning rate for a global batch. */
export function scaledLr(lr: number, { rule, baseBatch }: LrScaling, globalBatch: number): number {
  const ratio = globalBatch / baseBatch;
  return lr * (rule === 'sqrt' ? Math.sqrt(ratio) : ratio);
}

/** Describes the scaling: `linear from a global batch of 256`. */
export function showLrScaling({ rule, baseBatch }: LrScaling): string {
  return `${rule} from a global batch of ${baseBatch}`;
}
