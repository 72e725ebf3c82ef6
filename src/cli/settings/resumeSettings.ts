// A resumed run has the settings of its checkpoint. Flags that agree are accepted; flags that
// differ are an error that names both. The exceptions are --norm, which converts, and --replicas if
// they decide nothing, which Trainer.resume knows.

import { UsageError } from '../../base/errors.ts';
import { type CheckpointHead, savedLosses } from '../../checkpoint/checkpoint.ts';
import type { TrainingData } from '../../data/chunked/chunkedDataset.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { directConvolutions } from '../../nn/convert/directConvolutions.ts';
import { isNorm, normsOf } from '../../nn/convert/normLeaf.ts';
import { switchBatchNorms } from '../../nn/convert/switchBatchNorm.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { parseLoss } from '../../nn/specs/losses.ts';
import { lossModulesOf } from '../../nn/specs/lossModules.ts';
import { loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec, leavesOf } from '../../nn/specs/spec.ts';
import type { RunConfig } from '../../plan/config.ts';
import { resolveOptions } from '../../runtime/trainerOptions.ts';
import { switchesFrom } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';
import { refuseWithout } from './kindFlags.ts';
import { OPTIMIZER_FLAGS } from './optimizerFlags.ts';
import { SCHEDULE_FLAGS } from './scheduleFlags.ts';
import {
  allowModulesFrom,
  bareNetFrom,
  normalizedAs,
  SIZE_FLAGS,
  trainerOptionsFrom,
} from './settings.ts';

/** Flags that decide what is computed, and the part of the config that each sets. */
const DECIDING: readonly (readonly [flag: string, part: (config: Decided) => unknown])[] = [
  ['batch', (config) => config.globalBatch],
  ['replica-batch', (config) => config.globalBatch / config.replicas],
  ['freeze', (config) => config.freeze],
  ['bn-freeze-affine', (config) => config.freeze],
  ['lr-scale', ({ parameterGroups = [] }) => parameterGroups.filter(({ lrScale }) => lrScale)],
  [
    'weight-decay-of',
    ({ parameterGroups = [] }) =>
      parameterGroups.filter(({ weightDecay }) => weightDecay !== undefined),
  ],
  ['grains', (config) => config.grains ?? config.replicas],
  ['drop-last', (config) => config.dropLast],
  ['shards', (config) => config.shards ?? 'iid'],
  ['seed', (config) => config.seed],
  ['strict', (config) => config.mode],
  ['ema', (config) => config.averaging],
  ['swa-from', (config) => config.averaging],
  ['clip-norm', (config) => config.clipNorm],
  ['clip-value', (config) => config.clipValue ?? null],
  ...['loss', 'label-smoothing', 'class-weights', 'ignore-index'].map(
    (flag) => [flag, (config: Decided) => parseLoss(config.loss)] as const,
  ),
  ['heads', ({ heads = [] }) => heads.map(({ name, weight }) => ({ name, weight }))],
  ['mixup', (config) => config.augmentation?.mixup ?? 0],
  ['cutmix', (config) => config.augmentation?.cutmix ?? 0],
  ['shift', (config) => config.augmentation?.maxShift ?? 0],
  ['flip', (config) => config.augmentation?.flip ?? false],
  ['optimizer', (config) => config.optimizer.kind],
  ['lr-scaling', (config) => config.lrScaling?.rule],
  ['lr-base-batch', (config) => config.lrScaling?.baseBatch],
  ...OPTIMIZER_FLAGS.map(({ flag, option }) => [flag, partOf('optimizer', option)] as const),
  ['schedule', (config) => config.schedule.kind],
  ...SCHEDULE_FLAGS.map(({ flag, option }) => [flag, partOf('schedule', option)] as const),
  ['validation-split', (config) => config.validationSplit],
];

function partOf(what: 'optimizer' | 'schedule', option: string): (config: Decided) => unknown {
  return (config) => (config[what] as unknown as Readonly<Record<string, unknown>>)[option];
}

/** Flags that decide a model's norms. */
const NORM_FLAGS = ['norm', 'norm-kinds', 'group-size', 'num-groups'] as const;

type Decided = Omit<RunConfig, 'model' | 'data' | 'workers' | 'timeoutMs' | 'diagnosticsEvery'>;

/** The checkpoint to resume. */
interface Resumed {
  readonly path: string;
  readonly saved: Omit<CheckpointHead, 'tensors'>;
  readonly isRestart: boolean;
}

/** Throws a {@link UsageError} for the first flag that contradicts the checkpoint. */
export async function checkAgreement(
  flags: Flags,
  { path, saved, isRestart }: Resumed,
  data: TrainingData,
): Promise<void> {
  const model = parseModel(saved.model, `the model of ${path}`);
  const losses = savedLosses(saved.run);
  const modules = [...customModulesOf(model), ...lossModulesOf(losses)];
  await loadModules(modules, allowModulesFrom(flags));
  await checkModel(flags, { path, isRestart, kept: model }, data);
  if (!DECIDING.some(([flag]) => flags.has(flag))) return;
  const { workers: _workers, ...options } = trainerOptionsFrom(flags, data, model);
  const replicas = flags.has('replicas') ? options.replicas! : saved.run.replicas;
  const savedHeads = losses.heads?.map((head) => [head.name, head] as const) ?? [];
  const heads = options.heads ?? Object.fromEntries(savedHeads);
  const asked = resolveOptions({ ...options, heads, replicas, workers: 1 });
  const kept = { ...saved.run, replicas } as unknown as Decided;
  for (const [flag, part] of DECIDING) {
    if (!flags.has(flag) || isSame(part(asked), part(kept))) continue;
    throw contradiction(`--${flag}`, part(asked), path, part(kept));
  }
}

async function checkModel(
  flags: Flags,
  { path, isRestart, kept }: Omit<Resumed, 'saved'> & { readonly kept: LayerSpec },
  data: TrainingData,
): Promise<void> {
  checkStart(flags, { path, isRestart, kept });
  for (const flag of SIZE_FLAGS) refuseWithout(flags, flag, '--model', flags.has('model'));
  const asked = NORM_FLAGS.filter((name) => flags.has(name));
  // A bare model does not specify its norm, or whether all convolutions are direct.
  const bare = (spec: LayerSpec): LayerSpec => convertNorm(spec, { to: 'none', kinds: 'all' });
  const named = flags.has('model') ? (await bareNetFrom(flags, data)).model : kept;
  const model = [named, directConvolutions(named)].find((one) => isSame(bare(one), bare(kept)));
  if (model === undefined) {
    throw contradiction('--model', flags.text('model'), path, 'another model');
  }
  // A given norm replaces the checkpoint's, except if the flags describe the whole run.
  if (asked.length === 0 || (flags.has('norm') && !isRestart)) return;
  const normalized = normalizedAs(flags, model, data);
  if (isSame(switchBatchNorms(normalized, switchesFrom(flags)).model, kept)) return;
  const what = asked.map((name) => `--${name}`).join(', ');
  const given = asked.map((name) => flags.text(name)).join(', ');
  throw contradiction(what, given, path, normsOf(kept).join(', ') || 'none');
}

/** What only a new run accepts: weights, how the model initializes and trains its norms, and its
 * convolution algorithm. */
function checkStart(
  flags: Flags,
  { path, isRestart, kept }: Omit<Resumed, 'saved'> & { readonly kept: LayerSpec },
): void {
  if (flags.has('weights') && !isRestart) {
    throw new UsageError({
      what: `--weights ${flags.text('weights')}`,
      problem: `cannot be combined with --resume ${path}, which uses the weights in that file`,
      hint: 'leaving out one of them',
    });
  }
  const startsAtZero = leavesOf(kept).some((leaf) => isNorm(leaf) && leaf.weightInit === 0);
  if (flags.isSet('zero-init-residual') && !startsAtZero) {
    throw contradiction('--zero-init-residual', true, path, false);
  }
  if (flags.isSet('direct-convolutions') && !isSame(directConvolutions(kept), kept)) {
    throw contradiction('--direct-convolutions', true, path, false);
  }
  const switched = switchBatchNorms(kept, switchesFrom(flags)).model;
  if (isSame(switched, kept)) return;
  const given = normsOf(switched).join(', ');
  throw contradiction('--bn-statistics, --bn-keep-running', given, path, normsOf(kept).join(', '));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function contradiction(what: string, given: unknown, path: string, kept: unknown): UsageError {
  return new UsageError({
    what: `${what} with --resume ${path}`,
    given,
    allowed: `the checkpoint's value, ${JSON.stringify(kept)}`,
    hint: `leaving ${what} out, or a new run without --resume`,
  });
}
