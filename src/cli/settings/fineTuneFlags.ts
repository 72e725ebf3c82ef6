// The flags of fine-tuning: which weights a run starts from, which parameters train, with which
// rate and decay, and how batch norms train. Patterns are separated by commas.

import { UsageError } from '../../base/errors.ts';
import type { BatchNormSwitches } from '../../nn/convert/switchBatchNorm.ts';
import { STATISTICS_SOURCES } from '../../nn/specs/statistics.ts';
import type { ParameterGroup } from '../../plan/parameterGroups.ts';
import type { TrainerOptions } from '../../runtime/trainerOptions.ts';
import type { Flags } from './flags.ts';
import type { FlagText } from './flagText.ts';

/** The flags as in the help. */
export const fineTuneFlags: readonly FlagText[] = [
  [
    '--weights <file>',
    'Start from the weights of a checkpoint, without its steps and settings, or of a ' +
      ".safetensors file with PyTorch's names",
  ],
  [
    '--weights-partial',
    'From --weights, or a --model in .onnx, take what fits and leave out the rest',
  ],
  ['--freeze <list>', "Parameters that do not train: '0.*,*.bias'; '!9.*' lets them train again"],
  ['--lr-scale <list>', "Factors of the learning rate: '0.*=0.1,*.bias=2'"],
  ['--weight-decay-of <list>', "Separate weight decay: '*.bias=0'"],
  [
    '--bn-statistics <whose>',
    'batch or running: the statistics that batch norms train with (default batch)',
    ['batch', 'running'],
  ],
  ['--bn-keep-running', 'Running statistics of batch norms are not updated'],
  ['--bn-freeze-affine', 'Weights and biases of batch norms do not train'],
  ['--bn-layers <list>', "With --bn-...: only batch norms of these layers, '1.*,4.*'"],
];

/** Flags that switch batch norms. */
const SWITCHES = ['bn-statistics', 'bn-keep-running', 'bn-freeze-affine'] as const;

/** Whether --model names an ONNX file, which has weights, too. */
export function namesOnnx(flags: Flags): boolean {
  return flags.text('model')?.toLowerCase().endsWith('.onnx') === true;
}

/** The options of fine-tuning that the flags ask for. */
export function fineTuningFrom(flags: Flags): Omit<Partial<TrainerOptions>, 'data'> {
  const weights = flags.text('weights');
  const isPartial = flags.isSet('weights-partial');
  if (isPartial && weights === undefined && !namesOnnx(flags)) {
    throw new UsageError({ what: '--weights-partial', problem: 'requires --weights' });
  }
  const freeze = listFrom(flags, 'freeze');
  const parameterGroups = [
    ...valuesFrom(flags, 'lr-scale').map(({ match, value }) => ({ match, lrScale: value })),
    ...valuesFrom(flags, 'weight-decay-of').map(({ match, value }) => ({
      match,
      weightDecay: value,
    })),
  ] satisfies readonly ParameterGroup[];
  const batchNorm = switchesFrom(flags);
  return {
    ...(weights !== undefined && { weights, strictWeights: !isPartial }),
    ...(freeze.length > 0 && { freeze }),
    ...(parameterGroups.length > 0 && { parameterGroups }),
    ...(batchNorm.length > 0 && { batchNorm }),
  };
}

/** How batch norms train; empty without such flags. */
export function switchesFrom(flags: Flags): readonly BatchNormSwitches[] {
  const layers = listFrom(flags, 'bn-layers');
  const statistics = flags.choice('bn-statistics', STATISTICS_SOURCES);
  if (!SWITCHES.some((name) => flags.has(name))) {
    if (layers.length === 0) return [];
    const needed = SWITCHES.map((name) => `--${name}`).join(', ');
    throw new UsageError({ what: '--bn-layers', problem: `requires one of ${needed}` });
  }
  const switches: BatchNormSwitches = {
    ...(statistics !== undefined && { statistics }),
    ...(flags.isSet('bn-keep-running') && { updateStatistics: false }),
    ...(flags.isSet('bn-freeze-affine') && { trainAffine: false }),
  };
  return layers.length === 0 ? [switches] : layers.map((match) => ({ match, ...switches }));
}

function listFrom(flags: Flags, name: string): readonly string[] {
  const items = flags.text(name)?.split(',') ?? [];
  return items.map((item) => item.trim());
}

/** One or more `pattern=number`. */
function valuesFrom(
  flags: Flags,
  name: string,
): readonly { readonly match: string; readonly value: number }[] {
  return listFrom(flags, name).map((item) => {
    const [match, value, ...rest] = item.split('=').map((part) => part.trim());
    const number = Number(value);
    if (match && value && rest.length === 0 && Number.isFinite(number)) {
      return { match, value: number };
    }
    throw new UsageError({
      what: `--${name}`,
      given: item,
      allowed: 'pattern=number, or several separated by commas',
      hint: `--${name} '*.bias=0.1'`,
    });
  });
}
