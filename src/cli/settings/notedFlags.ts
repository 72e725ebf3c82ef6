// The flags of a run that its checkpoints record, because nothing else in them says which data,
// model and norms were requested. A resume does not use them; syncbn inspect prints them.

import type { CheckpointNote } from '../../checkpoint/checkpoint.ts';
import type { Flags } from './flags.ts';
import type { ValueKind } from './flagText.ts';
import { DEFAULTS } from './settings.ts';
import type { StartingPoint } from './startingPoint.ts';

/** The recorded flags and the kinds of their values. Lists are kept as typed. */
export const NOTED_FLAGS: Readonly<Record<string, ValueKind>> = {
  data: 'text',
  layout: 'text',
  target: 'text',
  'ignore-columns': 'list',
  regression: 'switch',
  classes: 'whole',
  'test-split': 'number',
  limit: 'whole',
  window: 'whole',
  model: 'text',
  width: 'number',
  stem: 'text',
  'zero-init-residual': 'switch',
  'direct-convolutions': 'switch',
  norm: 'text',
  'norm-kinds': 'list',
  'group-size': 'whole',
  'num-groups': 'whole',
  weights: 'text',
  'weights-partial': 'switch',
  'lr-scale': 'list',
  'weight-decay-of': 'list',
  'bn-statistics': 'text',
  'bn-keep-running': 'switch',
  'bn-layers': 'list',
  loss: 'text',
  'label-smoothing': 'number',
  'class-weights': 'list',
  'ignore-index': 'text',
  heads: 'list',
};

const NORM_FLAGS: readonly string[] = ['norm', 'norm-kinds', 'group-size', 'num-groups'];

/** The flags that a run's checkpoints record. A resumed run keeps those of its checkpoint, except
 * where new values are given. */
export function notedFlags(flags: Flags, { resumed, isRestart }: StartingPoint): CheckpointNote {
  const before = Object.entries(notedIn(resumed?.saved.note)).filter(
    ([name]) => !(flags.has('norm') && NORM_FLAGS.includes(name)),
  );
  const norm = isFromFile(flags) ? {} : { norm: DEFAULTS.norm };
  return {
    data: DEFAULTS.data,
    ...((resumed === undefined || isRestart) && { model: DEFAULTS.model, ...norm }),
    ...Object.fromEntries(before),
    ...givenFlags(flags),
  };
}

function givenFlags(flags: Flags): CheckpointNote {
  const given = Object.entries(NOTED_FLAGS).filter(([name]) => flags.has(name));
  return Object.fromEntries(given.map(([name, kind]) => [name, noted(flags, name, kind)]));
}

function noted(flags: Flags, name: string, kind: ValueKind): string | number | boolean {
  if (kind === 'switch') return flags.isSet(name);
  const text = flags.text(name)!;
  return kind === 'whole' || kind === 'number' ? Number(text) : text;
}

/** The flags in a checkpoint's note, which a program may have filled with anything. */
export function notedIn(note: CheckpointNote = {}): CheckpointNote {
  return Object.fromEntries(
    Object.entries(note).filter(([name]) => Object.hasOwn(NOTED_FLAGS, name)),
  );
}

/** Whether the model comes from a file, which then defines its normalization. */
export function isFromFile(flags: Flags): boolean {
  return /\.(json|onnx)$/i.test(flags.text('model') ?? '');
}

/** The model's name. */
export function modelName(flags: Flags, { resumed, isRestart }: StartingPoint): string {
  const given = flags.text('model');
  if (given !== undefined) return given;
  if (resumed === undefined || isRestart) return DEFAULTS.model;
  return `${notedIn(resumed.saved.note).model ?? `model of ${resumed.path}`}`;
}
