// Trains for a number of steps and records the mean training loss of each window of steps: the loop
// of the experiments that look at curves, not at epochs. A loss that is not finite, or too large to
// be useful, is recorded as LOSS_LIMIT, so that files can hold all results as numbers.

import { cleaningUp } from '../../base/cleanup.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Shards } from '../../data/loading/shards.ts';
import type { LossSpec } from '../../nn/specs/losses.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import type { OptimizerSpec } from '../../optim/optimizers.ts';
import type { ScheduleSpec } from '../../optim/schedule.ts';
import type { Progress } from '../../runtime/progress.ts';
import { Trainer } from '../../runtime/trainer.ts';
import type { TrainerOptions } from '../../runtime/trainerOptions.ts';
import type { RunContext } from '../engine/experiment.ts';
import { someTrain } from '../engine/samples.ts';

/** Beyond this mean over an epoch, what later steps add to its sum is lost in rounding: a float64
 * has 16 digits. */
const LARGEST_MEAN = 1e10;

/** The largest loss that is written down; ten classes give 2.3 for guessing. */
export const LOSS_LIMIT = 1000;

export interface CurveRun extends Pick<TrainerOptions, 'weights' | 'strictWeights' | 'batchNorm'> {
  readonly model: LayerSpec;
  readonly optimizer: OptimizerSpec;
  /** Default: by the targets. */
  readonly loss?: LossSpec;
  /** Over all epochs that the steps begin; default constant. */
  readonly schedule?: ScheduleSpec;
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly steps: number;
  /** The last window has what is left. Several lengths are used in rotation. */
  readonly windowSteps: number | readonly number[];
  readonly seed: number;
  /** Instead of the context's. */
  readonly dataset?: Dataset;
  /** The splits that are evaluated at the end; default none. */
  readonly evaluates?: readonly ScoredSplit[];
  /** See the option of the Trainer; default 0, never. */
  readonly diagnosticsEvery?: number;
  /** Which samples each replica sees; default `iid`. */
  readonly shards?: Shards;
  /** Called with each progress report of the trainer. */
  readonly onProgress?: (progress: Progress) => void;
  /** Called after each window, while nothing is trained. */
  readonly onWindow?: (trainer: Trainer) => void;
  /** Called at the end, before the evaluations and before the trainer is closed. */
  readonly atEnd?: (trainer: Trainer) => Promise<void>;
}

export interface LossCurve {
  /** Mean training loss of each window, at most {@link LOSS_LIMIT}. */
  readonly losses: readonly number[];
  /** On the whole splits, where they were asked for. */
  readonly test: Score | undefined;
  readonly train: Score | undefined;
  readonly trainMs: number;
}

export interface Score {
  /** The share of samples that were wrong. */
  readonly error: number;
  /** At most {@link LOSS_LIMIT}. */
  readonly loss: number;
}

/** One training, from the seed to the errors. Rejects with the signal's reason when it is
 * aborted. */
export async function trainCurve(run: CurveRun, context: RunContext): Promise<LossCurve> {
  const trainer = await startTrainer(run, context);
  const onAbort = (): void => trainer.stop();
  context.signal.addEventListener('abort', onAbort);
  return cleaningUp(
    () => curveOf(trainer, run, context),
    () => context.signal.removeEventListener('abort', onAbort),
    () => trainer.close(),
  );
}

async function curveOf(trainer: Trainer, run: CurveRun, context: RunContext): Promise<LossCurve> {
  const { steps } = run;
  const lengths = typeof run.windowSteps === 'number' ? [run.windowSteps] : run.windowSteps;
  const losses: number[] = [];
  const sums = new LossSums(trainer.stepsPerEpoch);
  const epochs = Math.ceil(steps / trainer.stepsPerEpoch);
  const startMs = performance.now();
  for (let from = 0; from < steps; from = trainer.step) {
    context.signal.throwIfAborted();
    const to = Math.min(from + lengths[losses.length % lengths.length]!, steps);
    for await (const at of trainer.fit({ epochs, maxSteps: to })) {
      sums.add(at);
      run.onProgress?.(at);
    }
    context.signal.throwIfAborted();
    losses.push(limitLoss(sums.take()));
    run.onWindow?.(trainer);
    context.progress(to / steps);
  }
  const trainMs = performance.now() - startMs;
  await run.atEnd?.(trainer);
  const scores = await scoresOf(trainer, run.evaluates ?? []);
  return { losses, ...scores, trainMs };
}

async function scoresOf(
  trainer: Trainer,
  splits: readonly ScoredSplit[],
): Promise<Pick<LossCurve, ScoredSplit>> {
  const scores: Record<ScoredSplit, Score | undefined> = { test: undefined, train: undefined };
  for (const split of splits) {
    const { accuracy, loss } = await trainer.evaluate(split);
    scores[split] = { error: 1 - accuracy, loss: limitLoss(loss) };
  }
  return scores;
}

/** Splits that have scores. */
type ScoredSplit = 'train' | 'test';

/** A loss that can be written down and averaged. */
export function limitLoss(loss: number): number {
  return Number.isNaN(loss) ? LOSS_LIMIT : Math.min(loss, LOSS_LIMIT);
}

function startTrainer(run: CurveRun, context: RunContext): Promise<Trainer> {
  const { model, optimizer, replicas, replicaBatch, steps, seed } = run;
  const dataset = run.dataset ?? context.dataset;
  // No more samples than are seen, since each trainer copies them into its memory.
  const count = Math.min(dataset.train.count, steps * replicas * replicaBatch);
  const workers = context.workers;
  return Trainer.start({
    model,
    data: someTrain(dataset, count),
    optimizer,
    ...(run.loss !== undefined && { loss: run.loss }),
    ...(run.schedule !== undefined && { schedule: run.schedule }),
    ...(run.weights !== undefined && { weights: run.weights }),
    ...(run.strictWeights !== undefined && { strictWeights: run.strictWeights }),
    ...(run.batchNorm !== undefined && { batchNorm: run.batchNorm }),
    replicas,
    replicaBatch,
    ...(run.shards !== undefined && { shards: run.shards }),
    ...(workers !== undefined && { workers: Math.min(workers, replicas) }),
    dropLast: true,
    seed,
    // A run that diverges is a result.
    onNonFinite: 'continue',
    diagnosticsEvery: run.diagnosticsEvery ?? 0,
    // What an experiment trains, local norms included, is what it is about.
    onNotice: () => {},
  });
}

/** Takes the trainer's means, which are over an epoch so far, apart into means of windows. */
class LossSums {
  private readonly stepsPerEpoch: number;
  /** Of the epoch, up to the last window: the sum of the steps' losses, and the steps. */
  private epochSum = 0;
  private epochSteps = 0;
  private windowSum = 0;
  private windowSteps = 0;

  constructor(stepsPerEpoch: number) {
    this.stepsPerEpoch = stepsPerEpoch;
  }

  /** Full batches only (dropLast), so that every step has the same weight. */
  add({ kind, step, loss }: Progress): void {
    const steps = step - Math.floor((step - 1) / this.stepsPerEpoch) * this.stepsPerEpoch;
    const isLost = Number.isNaN(loss) || loss > LARGEST_MEAN;
    const sum = isLost ? Number.NaN : loss * steps;
    this.windowSum += sum - this.epochSum;
    this.windowSteps += steps - this.epochSteps;
    const isOver = kind === 'epoch';
    this.epochSum = isOver ? 0 : sum;
    this.epochSteps = isOver ? 0 : steps;
  }

  /** The mean of the window, and on to the next. */
  take(): number {
    const mean = this.windowSum / this.windowSteps;
    this.windowSum = 0;
    this.windowSteps = 0;
    return mean;
  }
}
