// The optimizer that the flags ask for, and how its learning rate scales with the batch.

import { UsageError } from '../../base/errors.ts';
import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import { LR_SCALING_RULES, type LrScaling } from '../../optim/lrScaling.ts';
import { optionNamesOf, parseOptimizer } from '../../optim/optimizer.ts';
import type { OptimizerSpec } from '../../optim/optimizers.ts';
import type { Flags } from './flags.ts';
import { type KindFlag, optionsOfKind, refuseWithout, switchTo } from './kindFlags.ts';

const DEFAULT_SGD_LR = 0.1;
const DEFAULT_MOMENTUM = 0.9;
const DEFAULT_BASE_BATCH = 256;

const number = (flags: Flags, flag: string): unknown => flags.number(flag, 0);

/** The flags that are options of optimizers. */
export const OPTIMIZER_FLAGS: readonly KindFlag[] = [
  { flag: 'lr', option: 'lr', read: number },
  { flag: 'weight-decay', option: 'weightDecay', read: number },
  { flag: 'no-norm-decay', option: 'decayNormAndBias', ...switchTo(false) },
  { flag: 'decay-all', option: 'decayNormAndBias', ...switchTo(true) },
  { flag: 'momentum', option: 'momentum', read: number },
  { flag: 'nesterov', option: 'nesterov', ...switchTo(true) },
  { flag: 'betas', option: 'betas', read: (flags, flag) => flags.numbers(flag) },
  { flag: 'eps', option: 'eps', read: number },
  { flag: 'alpha', option: 'alpha', read: number },
  { flag: 'centered', option: 'centered', ...switchTo(true) },
  { flag: 'trust-coefficient', option: 'trustCoefficient', read: number },
  { flag: 'adapt-all', option: 'adaptNormAndBias', ...switchTo(true) },
];

/** The optimizer, with the command's defaults. */
export function optimizerFrom(flags: Flags): OptimizerSpec {
  const kind = flags.choice('optimizer', OPTIMIZER_NAMES) ?? 'sgd';
  if (flags.isSet('no-norm-decay') && flags.isSet('decay-all')) {
    throw new UsageError({
      what: '--decay-all',
      problem: 'cannot be combined with --no-norm-decay',
    });
  }
  const given = optionsOfKind(flags, OPTIMIZER_FLAGS, {
    ...{ chooser: 'optimizer', kinds: OPTIMIZER_NAMES, chosen: kind },
    optionsOf: optionNamesOf,
  });
  const defaults = kind === 'sgd' && { lr: DEFAULT_SGD_LR, momentum: DEFAULT_MOMENTUM };
  if (kind === 'lars' && given.lr === undefined) {
    throw new UsageError({
      what: '--optimizer lars',
      problem: 'requires --lr: the right rate depends on the batch',
      hint: '--lr 2 --lr-scaling linear',
    });
  }
  return parseOptimizer({ kind, ...defaults, ...given });
}

/** How the learning rate scales with the global batch; undefined if it does not. */
export function lrScalingFrom(flags: Flags): LrScaling | undefined {
  const rule = flags.choice('lr-scaling', LR_SCALING_RULES);
  const baseBatch = flags.integer('lr-base-batch', 1) ?? DEFAULT_BASE_BATCH;
  refuseWithout(flags, 'lr-base-batch', '--lr-scaling', rule !== undefined);
  return rule === undefined ? undefined : { rule, baseBatch };
}
