// From flags to the loss of a run, and to mixtures of samples.

import { UsageError } from '../../base/errors.ts';
import type { Augmentation } from '../../data/loading/augment.ts';
import { type LossSpec, parseLoss } from '../../nn/specs/losses.ts';
import type { HeadOptions } from '../../plan/heads.ts';
import type { Flags } from './flags.ts';
import { readJson } from './readJson.ts';

/** The losses that need only a name, and the kind of each. */
const NAMES = {
  'cross-entropy': 'crossEntropy',
  'binary-cross-entropy': 'binaryCrossEntropy',
  mse: 'meanSquaredError',
  l1: 'l1',
  huber: 'huber',
} as const;
const OPTIONS = ['label-smoothing', 'class-weights', 'ignore-index'] as const;

/** The loss that the flags ask for; undefined if they do not mention it. */
export function lossFrom(flags: Flags): LossSpec | undefined {
  const text = flags.text('loss');
  const option = OPTIONS.find((name) => flags.has(name));
  if (text?.endsWith('.json') === true) {
    if (option === undefined) return parseLoss(readJson('loss', text));
    throw new UsageError({
      what: `--${option}`,
      problem: `cannot be combined with --loss ${text}, which has the options of the loss`,
    });
  }
  const names = Object.keys(NAMES) as (keyof typeof NAMES)[];
  const name = flags.choice('loss', names);
  if (option !== undefined && name !== undefined && name !== 'cross-entropy') {
    throw new UsageError({
      what: `--${option}`,
      problem: `requires --loss cross-entropy, not ${name}`,
    });
  }
  if (option === undefined) return name && parseLoss({ kind: NAMES[name] });
  const classWeights = flags.text('class-weights')?.split(',').map(Number);
  return parseLoss({
    kind: 'crossEntropy',
    labelSmoothing: flags.number('label-smoothing', 0),
    classWeights,
    ignoreIndex: flags.integer('ignore-index', -100),
  });
}

/** How the model's heads are trained: with the loss of the main output, and weights. */
export function headsFrom(flags: Flags): Readonly<Record<string, HeadOptions>> | undefined {
  const items = flags.text('heads')?.split(',');
  const heads = items?.map((item): [string, HeadOptions] => {
    const [name, value, ...rest] = item.split('=').map((part) => part.trim());
    const weight = Number(value);
    if (name && value && rest.length === 0 && weight > 0 && weight < Infinity) {
      return [name, { weight }];
    }
    throw new UsageError({
      what: '--heads',
      given: item,
      allowed: 'name=weight, or several separated by commas; weights above 0',
      hint: '--heads aux=0.4',
    });
  });
  return heads && Object.fromEntries(heads);
}

/** How samples are mixed. */
export function mixturesFrom(flags: Flags): Augmentation {
  const mixup = flags.number('mixup', 0);
  const cutmix = flags.number('cutmix', 0);
  return { ...(mixup && { mixup }), ...(cutmix && { cutmix }) };
}
