// From the argument and flags of `syncbn summary` and `syncbn init` to a model: by name, from a
// .json file, or from a checkpoint; with the normalizations that train would give it.

import { existsSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { type Checkpoint, savedLosses } from '../../checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { expectedInputOf } from '../../nn/graph/graph.ts';
import { MODEL_NAMES, modelCard, namedModel } from '../../nn/models/models.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { lossModulesOf } from '../../nn/specs/lossModules.ts';
import { loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { DEFAULT_REPLICA_BATCH, DEFAULT_REPLICAS } from '../../runtime/trainerOptions.ts';
import type { Flags } from './flags.ts';
import { refuseWithout } from './kindFlags.ts';
import { readJsonFile } from './readJson.ts';
import { allowModulesFrom, modelOptionsFrom, normFrom, SIZE_FLAGS } from './settings.ts';
import { shapeFrom } from './shapeFlag.ts';

/** Each is planned as a process, and planning the exchanges between more of them takes seconds. */
const MAX_REPLICAS = 1024;

/** A model, and the run for which it is shown. */
export interface AskedModel {
  readonly name: string;
  readonly model: LayerSpec;
  /** Undefined if neither the flags nor the model define it. */
  readonly inputShape: Shape | undefined;
  readonly replicas: number;
  /** Samples per step over all replicas. */
  readonly batch: number;
  /** The checkpoint of the model, if it is from one. */
  readonly saved: Checkpoint | undefined;
}

/** The model before its normalizations are replaced. */
type BareModel = Pick<AskedModel, 'model' | 'inputShape' | 'saved'> & { readonly isNamed: boolean };

/** The model that the argument of `syncbn COMMAND` names. */
export async function askedModel(
  command: string,
  flags: Flags,
  argument: string | undefined,
): Promise<AskedModel> {
  if (argument === undefined) {
    throw new UsageError({
      what: `syncbn ${command}`,
      problem: 'requires a model: its name, a .json file or a checkpoint',
      hint: `syncbn ${command} resnet20`,
    });
  }
  const bare = await bareModel(flags, argument);
  const { inputShape, saved } = bare;
  const replicas =
    flags.integer('replicas', 1, MAX_REPLICAS) ?? saved?.run.replicas ?? DEFAULT_REPLICAS;
  const batch = flags.integer('batch', 1) ?? saved?.run.globalBatch ?? ownBatch(replicas);
  if (batch < replicas) {
    throw new UsageError({
      what: '--batch',
      given: batch,
      allowed: `at least ${replicas}, one sample per replica`,
      hint: '--replicas for fewer of them',
    });
  }
  const model = withNorms(flags, bare, { replicas, replicaBatch: batch / replicas });
  return { name: argument, model, inputShape, replicas, batch, saved };
}

function ownBatch(replicas: number): number {
  return replicas * DEFAULT_REPLICA_BATCH;
}

async function bareModel(flags: Flags, argument: string): Promise<BareModel> {
  const known = MODEL_NAMES.find((name) => name === argument);
  const asked = shapeFrom(flags, 'input-shape');
  if (known !== undefined) {
    const { purpose } = modelCard(known);
    const inputShape = asked ?? purpose.inputShape;
    const classes = flags.integer('classes', 1) ?? purpose.classes;
    const model = namedModel(known, { inputShape, classes, ...modelOptionsFrom(flags) });
    return { model, inputShape, saved: undefined, isNamed: true };
  }
  for (const flag of ['classes', 'zero-init-residual', ...SIZE_FLAGS]) {
    refuseWithout(flags, flag, 'a model by name', false);
  }
  const saved = argument.endsWith('.json') ? undefined : await checkpointAt(argument);
  const model = parseModel(
    saved === undefined ? readJsonFile(argument, argument) : saved.model,
    `the model ${saved === undefined ? 'in' : 'of'} ${argument}`,
  );
  const modules = saved === undefined ? [] : lossModulesOf(savedLosses(saved.run));
  await loadModules([...customModulesOf(model), ...modules], allowModulesFrom(flags));
  const inputShape = asked ?? saved?.data.inputShape ?? knownInput(model);
  return { model, inputShape, saved, isNamed: false };
}

async function checkpointAt(path: string): Promise<Checkpoint> {
  if (existsSync(path)) return readCheckpoint(path);
  const nearest = nearestWord(path, MODEL_NAMES);
  throw new UsageError({
    what: 'model',
    given: path,
    allowed: `${MODEL_NAMES.join(', ')}, a .json file or a checkpoint`,
    ...(nearest !== undefined && { hint: nearest }),
  });
}

/** The input shape that the first layer requires, if it fixes all sizes. */
function knownInput(model: LayerSpec): Shape | undefined {
  const expected = expectedInputOf(model);
  return expected?.some(Number.isNaN) ? undefined : expected;
}

/** Models by name are synchronized, like those that train makes; files keep their norms unless
 * flags change them. */
function withNorms(
  flags: Flags,
  { model, inputShape, saved, isNamed }: BareModel,
  run: { readonly replicas: number; readonly replicaBatch: number },
): LayerSpec {
  const request = normFrom(flags);
  if (!isNamed && !flags.has('norm')) {
    for (const flag of ['group-size', 'num-groups']) refuseWithout(flags, flag, '--norm', false);
    return model;
  }
  if (request.to === 'frozen' && saved === undefined) {
    throw new UsageError({
      what: '--norm frozen',
      problem: 'requires a checkpoint: other models have no running statistics',
    });
  }
  return convertNorm(model, { ...request, ...(inputShape && { inputShape }), ...run });
}

/** The input shape of a model. Throws a {@link UsageError} if it is unknown. */
export function neededInput({ name, model, inputShape }: AskedModel): Shape {
  if (inputShape !== undefined) return inputShape;
  const expected = expectedInputOf(model);
  const asks = expected === undefined ? 'any' : showShape(expected);
  throw new UsageError({
    what: name,
    problem: `requires --input-shape, the shape of a sample; its first layer takes ${asks}`,
    hint: '--input-shape 32x32x3',
  });
}
