// Trains for a number of steps and records the mean training loss of each window of steps, for
// experiments that look at curves rather than epochs. A loss that is not finite, or too large to be
// useful, is recorded as LOSS_LIMIT, so that files can hold all results as numbers.

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

/** If the mean over an epoch is larger, the losses of later steps are lost in rounding when added
 * to its sum: a float64 has 16 digits. */
const LARGEST_MEAN = 1e10;

/** The largest recorded loss. Guessing among ten classes gives 2.3. */
export const LOSS_LIMIT = 1000;

export interface CurveRun extends Pick<TrainerOptions, 'weights' | 'strictWeights' | 'batchNorm'> {
  readonly model: LayerSpec;
  readonly optimizer: OptimizerSpec;
  /** Default: chosen by the targets. */
  readonly loss?: LossSpec;
  /** Spans all epochs that the steps reach, including a partial last one; default constant. */
  readonly schedule?: ScheduleSpec;
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly steps: number;
  /** Steps per window; the last window has the remainder. Several lengths are used in rotation. */
  readonly windowSteps: number | readonly number[];
  readonly seed: number;
  /** Default: the context's dataset. */
  readonly dataset?: Dataset;
  /** The splits to evaluate at the end; default none. */
  readonly evaluates?: readonly ScoredSplit[];
  /** See the Trainer's option; default 0, never. */
  readonly diagnosticsEvery?: number;
  /** Which samples each replica sees; default `iid`. */
  readonly shards?: Shards;
  /** Called with each progress report of the trainer. */
  readonly onProgress?: (progress: Progress) => void;
  /** Called after each window, while training is paused. */
  readonly onWindow?: (trainer: Trainer) => void;
  /** Called at the end, before the evaluations and before the trainer is closed. */
  readonly atEnd?: (trainer: Trainer) => Promise<void>;
}

export interface LossCurve {
  /** Mean training loss of each window, at most {@link LOSS_LIMIT}. */
  readonly losses: readonly number[];
  /** Scores on whole splits, if requested. */
  readonly test: Score | undefined;
  readonly train: Score | undefined;
  readonly trainMs: number;
}

export interface Score {
  /** The share of misclassified samples. */
  readonly error: number;
  /** At most {@link LOSS_LIMIT}. */
  readonly loss: number;
}

/** Trains a net and evaluates it. Rejects with the signal's reason if it is aborted. */
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

/** Splits that can be scored. */
type ScoredSplit = 'train' | 'test';

/** Limits a loss so that it can be stored and averaged. */
export function limitLoss(loss: number): number {
  return Number.isNaN(loss) ? LOSS_LIMIT : Math.min(loss, LOSS_LIMIT);
}

function startTrainer(run: CurveRun, context: RunContext): Promise<Trainer> {
  const { model, optimizer, replicas, replicaBatch, steps, seed } = run;
  const dataset = run.dataset ?? context.dataset;
  // No more samples than training sees, because each trainer copies them into its memory.
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
    // A diverging run is a result.
    onNonFinite: 'continue',
    diagnosticsEvery: run.diagnosticsEvery ?? 0,
    // Experiments choose their norms deliberately, even local ones.
    onNotice: () => {},
  });
}

/** Converts the trainer's losses, which are means over the epoch so far, into means of windows. */
class LossSums {
  private readonly stepsPerEpoch: number;
  /** The sum of the step losses and the number of steps in the epoch, up to the last report. */
  private epochSum = 0;
  private epochSteps = 0;
  private windowSum = 0;
  private windowSteps = 0;

  constructor(stepsPerEpoch: number) {
    this.stepsPerEpoch = stepsPerEpoch;
  }

  /** Adds a report. All batches are full (dropLast), so that every step has the same weight. */
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

  /** Returns the mean of the window and starts the next one. */
  take(): number {
    const mean = this.windowSum / this.windowSteps;
    this.windowSum = 0;
    this.windowSteps = 0;
    return mean;
  }
}
