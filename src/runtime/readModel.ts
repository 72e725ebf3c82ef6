// Reads the model of a checkpoint: the config of the run that trained it, and the weights.

import { type Checkpoint, checkCheckpoint, headOf } from '../checkpoint/checkpoint.ts';
import { readCheckpoint } from '../checkpoint/checkpointFile.ts';
import { foldBatchNorm } from '../checkpoint/foldNorm.ts';
import { namedWeights, type StateTensor, weightName, weightsOf } from '../checkpoint/state.ts';
import { checkDataset } from '../data/checkDataset.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { placeholderData } from '../data/placeholder.ts';
import { parseModel } from '../nn/models/parse.ts';
import { lossModulesOf } from '../nn/specs/lossModules.ts';
import { type AllowModules, loadModules } from '../nn/specs/modules.ts';
import { customModulesOf } from '../nn/specs/spec.ts';
import type { RunConfig } from '../plan/config.ts';
import { checkTensors, configOf } from './resume.ts';

/** A model as it was saved. */
export interface SavedModel extends ModelWeights {
  /** The data that it was trained on. */
  readonly data: DatasetDescription;
  /** Optimizer steps that it was trained for. */
  readonly step: number;
  /** All parameters and buffers, as the checkpoint has them. */
  readonly saved: readonly StateTensor[];
}

/** What a model is made of. */
export interface ModelWeights {
  /** The config of the run that trained it, without its data. */
  readonly config: RunConfig;
  /** Writes all parameters and buffers of a plan of the model. Throws a {@link UsageError} if the
   * checkpoint's tensors are different ones. */
  fill(tensors: readonly StateTensor[]): void;
}

export interface ReadOptions {
  /** Whether batch normalizations are folded into the layers before them; default false. */
  readonly fold?: boolean | undefined;
  readonly allowModules?: AllowModules | undefined;
}

/** Reads a model, and loads its custom layers. Throws a {@link UsageError}. */
export async function readModel(
  source: string | Checkpoint,
  { fold = false, allowModules }: ReadOptions,
): Promise<SavedModel> {
  const isPath = typeof source === 'string';
  const what = isPath ? `checkpoint ${source}` : 'checkpoint';
  const checkpoint = isPath ? await readCheckpoint(source) : checkCheckpoint(source);
  const model = parseModel(checkpoint.model, `the model of ${what}`);
  const config = configOf(checkpoint, model, 1);
  checkDataset(placeholderData(what, config.data));
  await loadModules([...customModulesOf(model), ...lossModulesOf(config)], allowModules);
  const weights = fold ? foldedWeights(config, checkpoint) : savedWeights(what, config, checkpoint);
  const { data, counters, tensors } = checkpoint;
  return { ...weights, data, step: counters.step, saved: weightsOf(tensors) };
}

/** The weights as they were saved. */
function savedWeights(what: string, config: RunConfig, checkpoint: Checkpoint): ModelWeights {
  const found = { ...checkpoint, tensors: weightsOf(checkpoint.tensors) };
  return {
    config,
    fill(tensors) {
      checkTensors(what, tensors, headOf(found));
      for (const [i, { values }] of tensors.entries()) values.set(found.tensors[i]!.values);
    },
  };
}

/** The weights with normalizations folded. Throws a {@link UsageError} if the model has other
 * tensors. */
function foldedWeights(config: RunConfig, { tensors }: Checkpoint): ModelWeights {
  const folded = foldBatchNorm(config.model, namedWeights(tensors), config.data.inputShape);
  return {
    config: { ...config, model: folded.model },
    fill(placed) {
      for (const tensor of placed) {
        tensor.values.set(folded.weights.get(weightName(tensor))!.values);
      }
    },
  };
}
