// A trained model for inference: batch normalization folded into the layers before it, checked
// against the model as it was on inputs, and written as a checkpoint if asked. What is folded, and
// the maths, is in checkpoint/foldNorm.ts.

import { UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { writeCheckpoint } from '../checkpoint/checkpointFile.ts';
import { type FoldedModel, foldBatchNorm, type NamedValues } from '../checkpoint/foldNorm.ts';
import type { StateTensor } from '../checkpoint/state.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { storedInputs } from '../data/shift.ts';
import type { StoredSamples } from '../data/stored/storedSamples.ts';
import type { RunConfig } from '../plan/config.ts';
import { countHeads } from '../plan/heads.ts';
import type { RunPlan } from '../plan/plan.ts';
import { EPOCH_LENGTH } from '../reduce/epochSums.ts';
import { outputsAlone, stateAlone } from './alone.ts';
import type { Feeds } from './feeds.ts';
import { type AllOutputs, countInputs, type Inputs } from './predict.ts';
import { checkpointOf } from './resume.ts';
import { checkReplaceable } from './saving.ts';

/** The options of {@link RunningTrainer.exportInference}. */
export interface ExportOptions {
  /** What both models are run on, in the data's own units; default: the first test samples (without
   * any: training samples), as many as a global batch. */
  readonly inputs?: Inputs;
  /** The largest difference of any output that is taken, as a share of the largest output; default
   * 1e-4. Folding rounds each weight once, which is about 1e-6; more shows where a channel's mean
   * is thousands of times its deviation. */
  readonly tolerance?: number;
  /** Writes a checkpoint of the folded model there, with no optimizer state. Default: no file is
   * written. */
  readonly path?: string;
  /** Lets `path` replace whatever file is there; default false. */
  readonly overwrite?: boolean;
}

/** A folded model, and how far its outputs are from those before. */
export interface InferenceExport extends FoldedModel {
  /** Of any output between the model as it was and as it is. */
  readonly maxDifference: number;
  /** The largest output of the model as it was. */
  readonly maxOutput: number;
  /** Samples whose outputs were compared. */
  readonly countInputs: number;
}

type Parity = Pick<InferenceExport, 'maxDifference' | 'maxOutput'>;

const DEFAULT_TOLERANCE = 1e-4;

interface TrainedRun {
  readonly runId: string;
  readonly config: RunConfig;
  readonly data: DatasetDescription;
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly feeds: Feeds;
  readonly weights: NamedValues;
  readonly step: number;
  readonly epochs: number;
  /** Outputs for inputs as the arena holds them. */
  outputs(inputs: Uint8Array | Float32Array): Promise<AllOutputs>;
}

/** Folds, compares, and writes. Throws a {@link UsageError} where the outputs differ by more than
 * the tolerance. */
export async function exportInference(
  run: TrainedRun,
  options: ExportOptions,
): Promise<InferenceExport> {
  const { config, weights } = run;
  const { tolerance = DEFAULT_TOLERANCE, path, overwrite = false } = options;
  if (options.inputs !== undefined) countInputs('exportInference', config, options.inputs);
  if (config.evalCorrection != null) {
    throw new UsageError({
      what: 'exportInference with evalCorrection',
      given: config.evalCorrection,
      allowed: 'none: corrected statistics depend on the sample and cannot be folded',
    });
  }
  const inputs =
    options.inputs === undefined
      ? await someInputs(run)
      : storedInputs(config.data, options.inputs);
  const expected = await run.outputs(inputs);
  const folded = foldBatchNorm(config.model, weights, config.data.inputShape);
  // Patterns name layers by places that they no longer have.
  const { freeze: _freeze, parameterGroups: _groups, ...kept } = config;
  const foldedConfig = { ...kept, model: folded.model };
  const count = inputs.length / sizeOf(config.data.inputShape);
  const found = await outputsAlone(foldedConfig, folded.weights, inputs, count);
  const parity = compare(expected, found);
  if (!(parity.maxDifference <= tolerance * parity.maxOutput)) {
    throw new UsageError({
      what: 'outputs of the folded model',
      given: `a difference of ${parity.maxDifference} from outputs of up to ${parity.maxOutput}`,
      allowed: `a share of at most ${tolerance}`,
      hint: 'the model as it is, or a larger tolerance',
    });
  }
  if (path !== undefined) {
    const tensors = stateAlone(foldedConfig, folded.weights);
    await write(run, foldedConfig, tensors, { path, overwrite });
  }
  return { ...folded, ...parity, countInputs: count };
}

/** Copies of the first samples. */
async function someInputs({
  config,
  samples,
  feeds,
}: TrainedRun): Promise<Uint8Array | Float32Array> {
  const { countTrain, countTest, inputShape } = config.data;
  const [split, count] =
    countTest > 0 ? (['test', countTest] as const) : (['train', countTrain] as const);
  const { inputs } = (await feeds.firstChunk(split)) ?? samples.evaluated[split].slots[0]!;
  return inputs.slice(0, Math.min(config.globalBatch, count) * sizeOf(inputShape));
}

/** The largest difference, as a share of it, of any output; of the outputs the first where they are
 * equal. */
function compare(expected: AllOutputs, found: AllOutputs): Parity {
  const all = expected.map((outputs, i) => compareOutput(outputs, found[i]!));
  const shareOf = ({ maxDifference, maxOutput }: Parity): number =>
    maxDifference === 0 ? 0 : maxDifference / maxOutput;
  return all.reduce((worst, one) => (shareOf(one) > shareOf(worst) ? one : worst));
}

/** The largest difference and the largest magnitude; infinite where only one is NaN. */
function compareOutput(expected: Float32Array, found: Float32Array): Parity {
  let maxDifference = 0;
  let maxOutput = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, found[i]!];
    if (Object.is(a, b)) continue;
    const difference = Math.abs(a - b);
    maxDifference = Math.max(maxDifference, Number.isNaN(difference) ? Infinity : difference);
  }
  for (const value of expected) if (Math.abs(value) > maxOutput) maxOutput = Math.abs(value);
  return { maxDifference, maxOutput };
}

async function write(
  run: TrainedRun,
  config: RunConfig,
  tensors: readonly StateTensor[],
  { path, overwrite }: { readonly path: string; readonly overwrite: boolean },
): Promise<void> {
  const { data, step, epochs } = run;
  // It is not the run's own state, so it must not take the place of that.
  const runId = `${run.runId}, folded`;
  const epochSums = new Float64Array(EPOCH_LENGTH + countHeads(config));
  await checkReplaceable(path, runId, overwrite);
  const counters = { step, epochs };
  await writeCheckpoint(
    path,
    checkpointOf({ runId, config, data, tensors, epochSums, ...counters }),
  );
}
