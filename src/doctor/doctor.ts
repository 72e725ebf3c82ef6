// A short diagnosis of a user's own model: trains it for a limited number of steps with local,
// synchronized and group normalization, from the same seed on the same batches, measures how much
// the shards' statistics differ, and passes the numbers to doctorAdvice.ts. The trainings alternate
// in windows, so that a slow phase of the machine affects all of them.

import { checkInteger, UsageError } from '../base/errors.ts';
import { medianOf } from '../base/median.ts';
import { sizeOf } from '../base/shape.ts';
import type { Dataset } from '../data/dataset.ts';
import { targetSize } from '../data/task.ts';
import { convertNorm } from '../nn/convert/convertNorm.ts';
import { explainNorms, type NormExplanation } from '../nn/convert/explainNorms.ts';
import { isNorm, normKindOf, normsOf, usesRunningStatistics } from '../nn/convert/normLeaf.ts';
import { type LayerSpec, type LeafSpec, leafPaths, leavesOf } from '../nn/specs/spec.ts';
import type { LayerDiagnostics } from '../observe/diagnostics.ts';
import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import {
  type Advice,
  adviseNorm,
  type DiagnosedLayer,
  DOCTOR_NORMS,
  type DoctorNorm,
  diagnoseLayer,
  type MeasuredVariant,
} from './doctorAdvice.ts';

export const DEFAULT_DOCTOR_STEPS = 120;
export const DEFAULT_BUDGET_SECONDS = 60;

/** Steps between snapshots of the statistics; windows are multiples of it. */
const SNAPSHOT_EVERY = 5;
/** Windows of each training; the first one warms up and is not timed. */
const WINDOWS = 8;
/** The standard error of an accuracy is then about 1 %, and an evaluation stays short. */
const MAX_TEST_SAMPLES = 2000;
/** Training batches over which population statistics are measured before an evaluation. */
const POPULATION_BATCHES = 10;

export interface DoctorOptions {
  /** Data, model, optimizer, replicas and other options; `norm` and `diagnosticsEvery` are
   * replaced. */
  readonly trainer: TrainerOptions;
  /** Optimizer steps with each normalization, at least 10; default 120. */
  readonly steps?: number;
  /** Total training time. If it runs out, fewer steps are made. Default 60. */
  readonly budgetSeconds?: number;
  /** Called after each window with the completed and the planned steps of each training. */
  readonly onProgress?: (done: number, steps: number) => void;
}

export interface Diagnosis {
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly workers: number;
  /** Steps that each training completed, and those requested. */
  readonly steps: number;
  readonly askedSteps: number;
  readonly budgetSeconds: number;
  /** Total training time. */
  readonly seconds: number;
  readonly layers: readonly DiagnosedLayer[];
  readonly variants: readonly MeasuredVariant[];
  readonly advice: Advice;
}

/** A training and its measurements so far. */
interface Patient {
  readonly norm: DoctorNorm;
  readonly trainer: Trainer;
  readonly stepMs: number[];
  readonly snapshots: (readonly LayerDiagnostics[])[];
  trainLoss: number;
}

/** Diagnoses those batchNorms of a model that train, on its data; other normalizations stay the
 * same in all trainings. Throws a {@link UsageError} for a model without any, fewer than 2
 * replicas, or shards with one value per channel. */
export async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const steps = checkInteger('steps', options.steps ?? DEFAULT_DOCTOR_STEPS, 2 * SNAPSHOT_EVERY);
  const budgetSeconds = options.budgetSeconds ?? DEFAULT_BUDGET_SECONDS;
  if (!(budgetSeconds > 0)) {
    throw new UsageError({ what: 'budget', given: budgetSeconds, allowed: 'seconds above 0' });
  }
  const data = withFewTests(options.trainer.data);
  const patients: Patient[] = [];
  try {
    const facts = await startPatients(patients, { ...options.trainer, data });
    const asked = { steps, budgetSeconds, onProgress: options.onProgress };
    const { done, seconds } = await train(patients, asked);
    const variants: MeasuredVariant[] = [];
    for (const patient of patients) variants.push(await variantOf(patient, data));
    const { replicas, workers, globalBatch } = patients[0]!.trainer;
    const layers = layersOf(patients, facts, replicas);
    return {
      ...{ replicas, workers, replicaBatch: Math.floor(globalBatch / replicas) },
      ...{ steps: done, askedSteps: steps, budgetSeconds, seconds, layers, variants },
      advice: adviseNorm(layers, variants, replicas),
    };
  } finally {
    for (const { trainer } of patients) await trainer.close();
  }
}

/** Facts about a normalization that are known before anything runs. */
interface NormFacts {
  readonly layer: string;
  readonly samples: number;
  readonly positions: number;
  readonly groupNorm: string;
  readonly groupValues: number;
}

/** Starts the trainings, adds each to `patients` immediately, and returns the normalizations. */
async function startPatients(
  patients: Patient[],
  options: TrainerOptions,
): Promise<readonly NormFacts[]> {
  const { norm: _norm, ...rest } = options;
  const { model, data } = options;
  if (!leavesOf(model).some(isDiagnosed)) {
    throw new UsageError({
      what: 'model to diagnose',
      given: normsOf(model).join(', ') || 'no normalization layer',
      allowed: 'a model with a batchNorm that trains, over whole batches',
    });
  }
  const inputShape = data.inputShape;
  const kinds = ['batchNorm'] as const;
  const grouped = convertNorm(model, { to: 'group', inputShape, kinds });
  let facts: readonly NormFacts[] = [];
  for (const norm of DOCTOR_NORMS) {
    const trainer = await Trainer.start({
      ...rest,
      norm: { to: norm, kinds },
      // A training that diverges is a finding, too.
      onNonFinite: 'continue',
      diagnosticsEvery: SNAPSHOT_EVERY,
    });
    patients.push({ norm, trainer, stepMs: [], snapshots: [], trainLoss: Number.NaN });
    if (patients.length > 1) continue;
    const { replicas, globalBatch } = trainer;
    const run = { inputShape, replicas, replicaBatch: globalBatch / replicas };
    facts = factsOf(
      trainer.config.model,
      { local: explainNorms(trainer.config.model, run), group: explainNorms(grouped, run) },
      Math.floor(run.replicaBatch),
    );
    checkSamples(facts, replicas);
  }
  return facts;
}

function isDiagnosed(leaf: LeafSpec): boolean {
  return isNorm(leaf) && normKindOf(leaf) === 'batchNorm';
}

function factsOf(
  model: LayerSpec,
  explained: Readonly<Record<'local' | 'group', readonly NormExplanation[]>>,
  samples: number,
): readonly NormFacts[] {
  const paths = leafPaths(model);
  const diagnosed = new Set(
    leavesOf(model).flatMap((leaf, i) => (isDiagnosed(leaf) ? [paths[i]!] : [])),
  );
  return explained.local.flatMap(({ layer, values }, i) => {
    if (!diagnosed.has(layer)) return [];
    const { norm: groupNorm, values: groupValues } = explained.group[i]!;
    return [{ layer, samples, positions: values / samples, groupNorm, groupValues }];
  });
}

function checkSamples(facts: readonly NormFacts[], replicas: number): void {
  if (replicas < 2) {
    throw new UsageError({
      what: 'replicas of a diagnosis',
      given: replicas,
      allowed: 'at least 2, whose statistics can differ',
    });
  }
  const samples = facts[0]?.samples ?? 1;
  if (samples >= 1) return;
  throw new UsageError({
    what: 'samples per replica in a diagnosis',
    given: samples,
    allowed: 'at least 1, so that there are statistics to compare',
    hint: 'a replica batch of 1 or more',
  });
}

/** Trains all of them alternately to the same step, until the budget runs out. */
async function train(
  patients: readonly Patient[],
  asked: {
    readonly steps: number;
    readonly budgetSeconds: number;
    readonly onProgress: DoctorOptions['onProgress'];
  },
): Promise<{ readonly done: number; readonly seconds: number }> {
  const { budgetSeconds } = asked;
  const startMs = performance.now();
  const elapsed = (): number => (performance.now() - startMs) / 1000;
  const turn = async (to: number, isTimed: boolean): Promise<void> => {
    for (const patient of patients) await trainTo(patient, to, isTimed);
  };
  await turn(SNAPSHOT_EVERY, false);
  // The first steps are the slowest, so this estimates too few steps rather than too many.
  const affordable = Math.floor((budgetSeconds / elapsed()) * SNAPSHOT_EVERY);
  const steps = Math.max(2 * SNAPSHOT_EVERY, Math.min(asked.steps, wholeSnapshots(affordable)));
  asked.onProgress?.(SNAPSHOT_EVERY, steps);
  const window = Math.max(SNAPSHOT_EVERY, wholeSnapshots((steps - SNAPSHOT_EVERY) / (WINDOWS - 1)));
  let done = SNAPSHOT_EVERY;
  while (done < steps && (done === SNAPSHOT_EVERY || elapsed() < budgetSeconds)) {
    done = Math.min(done + window, steps);
    await turn(done, true);
    asked.onProgress?.(done, steps);
  }
  return { done, seconds: elapsed() };
}

function wholeSnapshots(steps: number): number {
  return Math.floor(steps / SNAPSHOT_EVERY) * SNAPSHOT_EVERY;
}

async function trainTo(patient: Patient, to: number, isTimed: boolean): Promise<void> {
  const { trainer } = patient;
  const steps = to - trainer.step;
  let seconds = 0;
  const epochs = Math.ceil(to / trainer.stepsPerEpoch);
  for await (const progress of trainer.fit({ epochs, maxSteps: to })) {
    patient.trainLoss = progress.loss;
    seconds = progress.seconds;
  }
  if (isTimed) patient.stepMs.push((seconds * 1000) / steps);
  const snapshot = trainer.diagnostics();
  if (snapshot !== undefined) patient.snapshots.push(snapshot.layers);
}

async function variantOf(patient: Patient, data: Dataset): Promise<MeasuredVariant> {
  const { norm, trainer, trainLoss } = patient;
  const time = {
    stepMs: medianOf(patient.stepMs),
    stepMsLeast: Math.min(...patient.stepMs),
    stepMsMost: Math.max(...patient.stepMs),
  };
  const { count } = data.test;
  if (count === 0) {
    const [testLoss, testAccuracy] = [Number.NaN, Number.NaN];
    return { norm, ...time, trainLoss, testLoss, testAccuracy, testCount: 0 };
  }
  // Running averages lag when weights change fast, which is not the norm's fault.
  if (leavesOf(trainer.config.model).some(measurable)) {
    await trainer.preciseBatchNorm({ batches: POPULATION_BATCHES });
  }
  const { loss, accuracy } = await trainer.evaluate('test');
  return { norm, ...time, trainLoss, testLoss: loss, testAccuracy: accuracy, testCount: count };
}

/** Whether a layer evaluates with statistics that can be measured again. */
function measurable(leaf: LeafSpec): boolean {
  return isDiagnosed(leaf) && usesRunningStatistics(leaf);
}

/** Compares the shards' statistics with those of all shards, from the synchronized training. */
function layersOf(
  patients: readonly Patient[],
  facts: readonly NormFacts[],
  replicas: number,
): readonly DiagnosedLayer[] {
  const { snapshots } = patients.find(({ norm }) => norm === 'sync')!;
  return facts.map((norm) => {
    const shards = snapshots
      .flatMap((layers) => layers.find(({ path }) => path === norm.layer)!.replicas)
      .filter(({ count }) => count > 0);
    const squares = shards.map(({ meanShift }) => meanShift ** 2);
    const logs = shards.map(({ varianceFactor }) => Math.log(varianceFactor));
    const measured = {
      ...norm,
      meanShift: Math.sqrt(mean(squares)),
      varianceFactor: Math.exp(mean(logs)),
    };
    return diagnoseLayer(measured, replicas);
  });
}

/** The mean of the known values; NaN if there are none. */
function mean(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function withFewTests(data: Dataset): Dataset {
  const count = Math.min(data.test.count, MAX_TEST_SAMPLES);
  const { inputs, targets, weights } = data.test;
  const test = {
    count,
    inputs: inputs.subarray(0, count * sizeOf(data.inputShape)),
    targets: targets.subarray(0, count * targetSize(data.task)),
    ...(weights !== undefined && { weights: weights.subarray(0, count) }),
  };
  return { ...data, test };
}
