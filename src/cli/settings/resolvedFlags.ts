// Converts a resolved run back to the flags that describe it, for --print-config. Flags for speed,
// files and output are included only if they were given.

import type { CheckpointHead } from '../../checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import type { Dataset } from '../../data/dataset.ts';
import { resolveOptions } from '../../runtime/trainerOptions.ts';
import type { Config, ConfigValue } from './configFile.ts';
import type { Flags } from './flags.ts';
import { flagWord, type KindFlag } from './kindFlags.ts';
import { isFromFile, notedIn } from './notedFlags.ts';
import { OPTIMIZER_FLAGS, optimizerFrom } from './optimizerFlags.ts';
import { SCHEDULE_FLAGS } from './scheduleFlags.ts';
import { DEFAULTS, dataFrom, runOptionsFrom } from './settings.ts';

/** The settings of a run in a checkpoint. */
type Saved = CheckpointHead['run'];
type Spec = Readonly<Record<string, unknown>>;

/** The flags of `train`, with defaults filled in. Reads the data, since some defaults depend on it.
 * A resumed run has the settings of its checkpoint. */
export async function resolvedFlags(flags: Flags): Promise<Config> {
  const path = flags.text('resume');
  if (path !== undefined) return savedFlags(path);
  const data = await dataFrom(flags);
  const config = resolveOptions({ ...(await runOptionsFrom(flags, data)), workers: 1 });
  const resolved = flagsOfRun({
    ...(config as unknown as Saved),
    // Not scaled: the flag that scales it is given, too.
    optimizer: { ...optimizerFrom(flags) },
  });
  const { batch, ...rest } = resolved;
  return {
    data: DEFAULTS.data,
    model: DEFAULTS.model,
    ...(isFromFile(flags) ? {} : { norm: DEFAULTS.norm }),
    ...(flags.has('replica-batch') ? rest : { ...rest, batch: batch! }),
    epochs: 1,
    ...lossOf(data),
  };
}

function lossOf({ task }: Dataset): Config {
  return { loss: task.kind === 'regression' ? 'mse' : 'cross-entropy' };
}

/** The flags that describe a checkpoint's run, including those of its data, model and losses if the
 * command wrote it. The learning rate is the scaled one. */
export async function savedFlags(path: string): Promise<Config> {
  const { run, note } = (await openCheckpoint(path)).head;
  return { ...notedIn(note), ...flagsOfRun(run) };
}

function flagsOfRun(run: Saved): Config {
  const { augmentation, averaging, clipNorm, clipValue, validationSplit } = run;
  const optional: Readonly<Record<string, ConfigValue | null | undefined>> = {
    grains: run.grains,
    shards: run.shards,
    freeze: run.freeze?.length ? run.freeze : undefined,
    'clip-norm': clipNorm,
    'clip-value': clipValue,
    mixup: augmentation?.mixup || undefined,
    cutmix: augmentation?.cutmix || undefined,
    shift: augmentation?.maxShift || undefined,
    flip: augmentation?.flip || undefined,
    ema: averaging?.kind === 'ema' ? (averaging.decay as number) : undefined,
    'swa-from': averaging?.kind === 'swa' ? (averaging.fromEpoch as number) : undefined,
    'validation-split': validationSplit,
  };
  const all: Readonly<Record<string, ConfigValue | null | undefined>> = {
    replicas: run.replicas,
    batch: run.globalBatch,
    'drop-last': run.dropLast,
    seed: run.seed,
    strict: run.mode === 'strict',
    optimizer: run.optimizer.kind as string,
    ...ofKind(OPTIMIZER_FLAGS, run.optimizer),
    schedule: flagWord(run.schedule.kind as string),
    ...ofKind(SCHEDULE_FLAGS, run.schedule),
    ...optional,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, ConfigValue] => entry[1] != null),
  );
}

/** The flags for the options of an optimizer or a schedule. */
function ofKind(table: readonly KindFlag[], spec: Spec): Config {
  return Object.fromEntries(
    table.flatMap(({ flag, option, sets }): (readonly [string, ConfigValue])[] => {
      const value = spec[option];
      if (value === undefined || value === null) return [];
      if (sets !== undefined) return value === sets ? [[flag, true]] : [];
      return [[flag, plain(value)]];
    }),
  );
}

/** Pairs are `a:b`, as typed. */
function plain(value: unknown): ConfigValue {
  if (!Array.isArray(value)) return value as ConfigValue;
  return value.map((item) => (Array.isArray(item) ? item.join(':') : (item as number)));
}
