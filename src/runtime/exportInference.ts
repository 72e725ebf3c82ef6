// Exports a trained model for inference: folds batch normalization into the layers before it,
// compares the result with the original model on inputs, and optionally writes it as a checkpoint.
// checkpoint/foldNorm.ts says what is folded and has the math.

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
  /** Inputs to compare both models on, in the data's own units. Default: the first test samples
   * (training samples if there are no test samples), as many as a global batch. */
  readonly inputs?: Inputs;
  /** The largest difference that is accepted for any output, as a fraction of the largest output;
   * default 1e-4. Folding rounds each weight once, which gives about 1e-6. Larger differences occur
   * if a channel's mean is thousands of times its standard deviation. */
  readonly tolerance?: number;
  /** Path of a checkpoint to write with the folded model and no optimizer state. Default: no file
   * is written. */
  readonly path?: string;
  /** Whether `path` may replace an existing file; default false. */
  readonly overwrite?: boolean;
}

/** A folded model, and how far its outputs are from the original ones. */
export interface InferenceExport extends FoldedModel {
  /** The largest difference of any output between the original and the folded model. */
  readonly maxDifference: number;
  /** The largest output of the original model. */
  readonly maxOutput: number;
  /** Number of samples compared. */
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
  /** Outputs for inputs in the form that the arena holds. */
  outputs(inputs: Uint8Array | Float32Array): Promise<AllOutputs>;
}

/** Folds, compares and writes. Throws a {@link UsageError} if the outputs differ by more than the
 * tolerance. */
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
  // Patterns name layers by their old positions.
  const { freeze: _freeze, parameterGroups: _groups, ...kept } = config;
  const foldedConfig = { ...kept, model: folded.model };
  const count = inputs.length / sizeOf(config.data.inputShape);
  const found = await outputsAlone(foldedConfig, folded.weights, inputs, count);
  const parity = compare(expected, found);
  if (!(parity.maxDifference <= tolerance * parity.maxOutput)) {
    throw new UsageError({
      what: 'outputs of the folded model',
      given: `a difference of ${parity.maxDifference} from outputs of up to ${parity.maxOutput}`,
      allowed: `a fraction of at most ${tolerance}`,
      hint: 'the original model, or a larger tolerance',
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

/** The output with the largest difference relative to its largest value; the first one if several
 * are equal. */
function compare(expected: AllOutputs, found: AllOutputs): Parity {
  const all = expected.map((outputs, i) => compareOutput(outputs, found[i]!));
  const shareOf = ({ maxDifference, maxOutput }: Parity): number =>
    maxDifference === 0 ? 0 : maxDifference / maxOutput;
  return all.reduce((worst, one) => (shareOf(one) > shareOf(worst) ? one : worst));
}

/** The largest difference and the largest magnitude; infinite if only one value is NaN. */
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
  // A separate id: this is not the run's own state and must not replace it.
  const runId = `${run.runId}, folded`;
  const epochSums = new Float64Array(EPOCH_LENGTH + countHeads(config));
  await checkReplaceable(path, runId, overwrite);
  const counters = { step, epochs };
  await writeCheckpoint(
    path,
    checkpointOf({ runId, config, data, tensors, epochSums, ...counters }),
  );
}
