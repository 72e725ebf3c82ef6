// What a checkpoint holds: everything that the rest of a run depends on. The structure is checked
// against one schema, both when it is read and before a new file gets its name. The file layout is
// in checkpointFile.ts.

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { UsageError } from '../base/errors.ts';
import { isObject } from '../base/parse.ts';
import { sizeOf } from '../base/shape.ts';
import type { ShuffleWindow } from '../data/chunked/windows.ts';
import type { DatasetDescription } from '../data/identity.ts';
import type { AugmentationPlan } from '../data/loading/augment.ts';
import { isShards, SHARDS_ALLOWED, type Shards } from '../data/loading/shards.ts';
import { parseModel } from '../nn/models/parse.ts';
import { parseLoss } from '../nn/specs/losses.ts';
import { parseAveraging } from '../optim/averaging.ts';
import { LR_SCALING_RULES, type LrScaling } from '../optim/lrScaling.ts';
import { parseOptimizer } from '../optim/optimizer.ts';
import { parseSchedule } from '../optim/schedule.ts';
import type { RunConfig } from '../plan/config.ts';
import type { ParameterGroup } from '../plan/parameterGroups.ts';
import { EPOCH_LENGTH } from '../reduce/epochSums.ts';
import { type MonitorState, monitorSchema } from './monitored.ts';
import type { StateTensor } from './state.ts';

/** The settings of a part of a run, such as its model or its optimizer, as plain data. They are
 * checked where they are used. */
export interface SpecRecord {
  /** Which spec this is. */
  readonly kind: string;
  /** All other fields, not checked yet. */
  readonly [option: string]: unknown;
}

/** What wrote a checkpoint. */
export interface WrittenBy {
  /** Version of syncbn. */
  readonly library: string;
  /** The kernel build that decides the run's bits, and its hash. */
  readonly kernels: string;
  /** The build that ran: `wide` has the bits of `fast`. Absent in files from earlier versions. */
  readonly build?: 'fast' | 'strict' | 'wide';
  /** The version of Node, such as `v20.19.0`. */
  readonly node: string;
  /** The engine and the processor: `v8 11.3.244.8-node.30, x64`. */
  readonly engine: string;
}

/** The loss of one of the model's heads, and its weight. */
export interface SavedHead {
  /** The head's name. */
  readonly name: string;
  /** Its loss, as plain data that is not checked yet. */
  readonly loss: SpecRecord;
  /** Factor that its loss is multiplied by. */
  readonly weight: number;
}

/** Facts about a run, under names of the caller's choice. */
export type CheckpointNote = Readonly<Record<string, string | number | boolean>>;

/** Everything in a checkpoint except its tensors. */
export interface CheckpointContent {
  /** The same for all checkpoints of a run; absent in files of version 1. */
  readonly runId?: string;
  /** Absent in files of version 1. */
  readonly writtenBy?: WrittenBy;
  /** The model, as plain data that is not checked yet. */
  readonly model: SpecRecord;
  /** Distinguishes the run's data from other data. */
  readonly data: DatasetDescription;
  /** Settings that decide what is computed. */
  readonly run: {
    readonly loss: SpecRecord;
    /** The model's heads; absent if it has none. */
    readonly heads?: readonly SavedHead[];
    readonly optimizer: SpecRecord;
    readonly schedule: SpecRecord;
    /** The average of the weights that the run keeps; absent for none. */
    readonly averaging?: SpecRecord;
    /** Patterns of the parameters that do not train; absent for none. */
    readonly freeze?: readonly string[];
    /** Parameters with their own learning rate or weight decay; absent for none. */
    readonly parameterGroups?: readonly ParameterGroup[];
    /** How the optimizer's rate was scaled (the saved rate is the scaled one); absent if it was
     * not. */
    readonly lrScaling?: LrScaling;
    readonly clipNorm: number | null;
    /** Absent if gradients are not clipped by value. */
    readonly clipValue?: number | null;
    readonly replicas: number;
    /** Absent in files from before there were grains, which have one per replica. */
    readonly grains?: number;
    readonly globalBatch: number;
    readonly dropLast: boolean;
    readonly shuffle: boolean;
    /** The samples that are shuffled among each other; absent for all. */
    readonly window?: ShuffleWindow;
    /** Which samples each replica sees; absent for any. */
    readonly shards?: Shards;
    readonly augmentation: AugmentationPlan | null;
    /** Fraction or count of the training samples held out for validation. */
    readonly validationSplit?: number;
    readonly seed: number;
    readonly mode: 'fast' | 'strict';
  };
  /** Progress of the run. */
  readonly counters: {
    /** Total optimizer steps. */
    readonly step: number;
    /** Total epochs of the run. */
    readonly epochs: number;
    /** Sums of the current epoch: loss, correct predictions, samples, samples of weight 0, then the
     * heads' losses times their weights. */
    readonly epochSums: readonly number[];
  };
  /** What the run has decided from its validations; absent before the first decision. */
  readonly monitored?: MonitorState;
  /** What the caller of `save` noted, which decides nothing; absent without. */
  readonly note?: CheckpointNote;
}

/** A tensor of a checkpoint without its values. */
export interface TensorHead extends Omit<StateTensor, 'values'> {
  readonly type: 'f32' | 'f64';
}

/** A checkpoint without the values of its tensors. */
export interface CheckpointHead extends CheckpointContent {
  readonly tensors: readonly TensorHead[];
}

/** What a checkpoint holds. */
export interface Checkpoint extends CheckpointContent {
  /** The state: parameters, running statistics, optimizer state, and the best epoch if it is
   * kept. */
  readonly tensors: readonly StateTensor[];
}

const counts = z.number().int().nonnegative();
const shape = z.array(counts);
/** The sums may be non-finite in a run that continues with non-finite numbers. */
const anyNumber = z.custom<number>((value) => typeof value === 'number', 'expected a number');
const task = z.union([
  z.strictObject({ kind: z.literal('classification'), classes: counts }),
  z.strictObject({ kind: z.literal('segmentation'), classes: counts, targetShape: shape }),
  z.strictObject({
    kind: z.literal('regression'),
    targetShape: shape,
    mean: z.array(z.number()).exactOptional(),
    std: z.array(z.number()).exactOptional(),
  }),
]);
const plainObject = z.looseObject({ kind: z.string() });

const contentFields = {
  runId: z.string().min(1).exactOptional(),
  writtenBy: z
    .strictObject({
      library: z.string(),
      kernels: z.string(),
      build: z.enum(['fast', 'strict', 'wide']).exactOptional(),
      node: z.string(),
      engine: z.string(),
    })
    .exactOptional(),
  model: plainObject,
  data: z.strictObject({
    name: z.string(),
    inputShape: shape,
    inputType: z.enum(['u8', 'f32']),
    task,
    shift: z.array(z.number()).exactOptional(),
    mean: z.array(z.number()),
    std: z.array(z.number()),
    countTrain: counts,
    countTest: counts,
    weighted: z.array(z.enum(['train', 'test'])).exactOptional(),
    checksum: counts,
    contentHash: z.string().exactOptional(),
  }),
  run: z.strictObject({
    loss: plainObject,
    heads: z
      .array(z.strictObject({ name: z.string(), loss: plainObject, weight: z.number().positive() }))
      .exactOptional(),
    optimizer: plainObject,
    schedule: plainObject,
    averaging: plainObject.exactOptional(),
    freeze: z.array(z.string()).exactOptional(),
    parameterGroups: z
      .array(
        z.strictObject({
          match: z.string(),
          lrScale: z.number().exactOptional(),
          weightDecay: z.number().exactOptional(),
        }),
      )
      .exactOptional(),
    lrScaling: z
      .strictObject({ rule: z.enum(LR_SCALING_RULES), baseBatch: counts })
      .exactOptional(),
    clipNorm: z.number().nullable(),
    clipValue: z.number().nullable().exactOptional(),
    replicas: counts,
    grains: counts.exactOptional(),
    globalBatch: counts,
    dropLast: z.boolean(),
    shuffle: z.boolean(),
    window: z
      .strictObject({
        chunkSamples: z.number().int().positive(),
        chunks: z.number().int().positive(),
        inOrder: z.boolean().exactOptional(),
      })
      .exactOptional(),
    shards: z.custom<Shards>(isShards, `expected ${SHARDS_ALLOWED}`).exactOptional(),
    augmentation: z
      .strictObject({
        maxShift: counts,
        flip: z.boolean(),
        mixup: z.number().positive().exactOptional(),
        cutmix: z.number().positive().exactOptional(),
      })
      .nullable(),
    validationSplit: z.number().positive().exactOptional(),
    seed: counts,
    mode: z.enum(['fast', 'strict']),
  }),
  counters: z.strictObject({
    step: counts,
    epochs: counts,
    epochSums: z.array(anyNumber).min(EPOCH_LENGTH),
  }),
  monitored: monitorSchema.exactOptional(),
  note: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).exactOptional(),
};

const tensorFields = {
  name: z.string(),
  group: z.enum(['parameter', 'buffer', 'optimizer', 'best']),
  shape,
};

const headSchema: z.ZodType<CheckpointHead> = z.strictObject({
  ...contentFields,
  tensors: z.array(z.strictObject({ ...tensorFields, type: z.enum(['f32', 'f64']) })),
});

const wholeSchema: z.ZodType<Checkpoint> = z.strictObject({
  ...contentFields,
  tensors: z.array(
    z.strictObject({
      ...tensorFields,
      values: z.custom<Float32Array | Float64Array>(
        (values) => values instanceof Float32Array || values instanceof Float64Array,
        'expected values',
      ),
    }),
  ),
});

/** The structure of a checkpoint. */
export function headOf({ tensors, ...rest }: Checkpoint): CheckpointHead {
  return {
    ...rest,
    tensors: tensors.map(({ values, ...tensor }) => ({ ...tensor, type: typeOf(values) })),
  };
}

/** The element type of a tensor. */
export function typeOf(values: Float32Array | Float64Array): TensorHead['type'] {
  return values instanceof Float32Array ? 'f32' : 'f64';
}

/** Checks a decoded structure; `what` names the file in errors. */
export function checkHead(what: string, decoded: unknown): CheckpointHead {
  return check(headSchema, what, decoded);
}

/** Checks a checkpoint that the caller made or changed as strictly as one from a file. */
export function checkCheckpoint(given: unknown): Checkpoint {
  return checkWhole('checkpoint', given);
}

/** Checks a decoded checkpoint with its values. */
export function checkWhole(what: string, decoded: unknown): Checkpoint {
  const checkpoint = check(wholeSchema, what, decoded);
  for (const { name, shape, values } of checkpoint.tensors) {
    if (sizeOf(shape) === values.length) continue;
    throw new UsageError({
      what: `${what}, ${name}`,
      given: `${values.length} values`,
      allowed: `${sizeOf(shape)}, as its shape says`,
    });
  }
  return checkpoint;
}

/** Throws the error that using the checkpoint would throw, before it replaces a usable one. */
export function checkReadable(what: string, head: CheckpointHead): void {
  const { model, run } = checkHead(what, head);
  parseModel(model, `the model of ${what}`);
  savedLosses(run);
  parseOptimizer(run.optimizer);
  parseSchedule(run.schedule);
  if (run.averaging !== undefined) parseAveraging(run.averaging);
}

/** The losses of a run: the main output's and the heads'. Throws a {@link UsageError}. */
export function savedLosses({
  loss,
  heads,
}: CheckpointContent['run']): Pick<RunConfig, 'loss' | 'heads'> {
  return {
    loss: parseLoss(loss),
    ...(heads && { heads: heads.map((head) => ({ ...head, loss: parseLoss(head.loss) })) }),
  };
}

/** The id of the run that a checkpoint belongs to. Files of version 1 have none, so what the run
 * computes identifies it. */
export function runIdOf({ runId, model, data, run }: Omit<CheckpointHead, 'tensors'>): string {
  if (runId !== undefined) return runId;
  const text = JSON.stringify([model, data, run]);
  return `version 1, ${createHash('sha256').update(text).digest('hex')}`;
}

function check<T>(schema: z.ZodType<T>, what: string, decoded: unknown): T {
  const parsed = schema.safeParse(decoded);
  if (parsed.success) return parsed.data;
  const hint = 'a file that syncbn wrote';
  if (!isObject(decoded))
    throw new UsageError({ what, given: decoded, allowed: 'a checkpoint', hint });
  const [issue] = parsed.error.issues;
  const place = issue?.path.length ? `${issue.path.join('.')}: ` : '';
  throw new UsageError({
    what,
    given: `something else (${place}${issue?.message})`,
    allowed: 'a checkpoint',
    hint,
  });
}
