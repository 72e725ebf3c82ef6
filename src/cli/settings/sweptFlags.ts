// The flags of `train` that `sweep` takes, too: those that decide what is computed. Names alone, so
// that the help of all commands loads nothing else.

/** Flags of `train` that may have several values. */
export const CROSSED_FLAGS: readonly string[] = [
  'data',
  'limit',
  'model',
  'width',
  'stem',
  'norm',
  'group-size',
  'num-groups',
  'replicas',
  'replica-batch',
  'batch',
  'grains',
  'epochs',
  'max-steps',
  'optimizer',
  'lr',
  'lr-scaling',
  'lr-base-batch',
  'momentum',
  'weight-decay',
  'schedule',
  'schedule-unit',
  'warmup-steps',
  'warmup-epochs',
  'step-size',
  'gamma',
  'min-lr',
  'power',
  'pct-start',
  'div-factor',
  'final-div-factor',
  'anneal-strategy',
  'period',
  'period-factor',
  'clip-norm',
  'clip-value',
  'loss',
  'label-smoothing',
  'ignore-index',
  'mixup',
  'cutmix',
  'shards',
  'shift',
  'seed',
];

/** Those that are the same in all runs: lists, and flags without a value. */
export const FIXED_TEXTS: readonly string[] = [
  'classes',
  'test-split',
  'layout',
  'target',
  'ignore-columns',
  'norm-kinds',
  'milestones',
  'points',
  'class-weights',
  'heads',
  'on-non-finite',
];
export const FIXED_SWITCHES: readonly string[] = [
  'drop-last',
  'zero-init-residual',
  'direct-convolutions',
  'nesterov',
  'no-norm-decay',
  'flip',
  'regression',
  'strict',
];

/** The flags of `train` that `sweep` takes, too. */
export const SWEPT_FLAGS: readonly string[] = [...CROSSED_FLAGS, ...FIXED_TEXTS, ...FIXED_SWITCHES];
