// What a fit is asked for, and what it reports: worked out by main from the words and sums that the
// workers share.

import type { DiagnosticsSummary } from '../observe/diagnostics.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import { knowsRight } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { EpochState } from '../reduce/epochSums.ts';

/** What `fit` is asked for. */
export interface FitOptions {
  /** Total epochs, including those before a resume. The first call also says how long the run is,
   * over which a cosine schedule is spread, unless `Trainer.start` was given `epochs`; later calls
   * may then ask for less, but not for more. */
  readonly epochs: number;
  /** Yield progress within an epoch, about this often; default: only at the end of each epoch. */
  readonly progressEveryMs?: number;
  /** Stop when this many steps are done in all; default: at the end of the last epoch. */
  readonly maxSteps?: number;
}

/** What `fit` yields. */
export interface Progress {
  /** `epoch` at the end of an epoch, `progress` within one, `stopped` when the run stopped before
   * its end: behind `stop()` or at maxSteps. */
  readonly kind: 'progress' | 'epoch' | 'stopped';
  /** The epoch that is running or has ended, from 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done in all. */
  readonly step: number;
  readonly totalSteps: number;
  /** Samples of the epoch that loss and accuracy are of; 0 before the first step. */
  readonly samples: number;
  /** Mean over the epoch's samples so far; NaN before the first step. Where samples have weights,
   * the loss of a step is their weighted mean, and this is the mean over steps by their samples. */
  readonly loss: number;
  /** Share of the epoch's samples so far that were right, of those whose weight is not 0; NaN for
   * losses that know no right and wrong. A sample with several labels is right where all outputs
   * are; of one that mixup or cutmix has mixed the class with the largest share counts. */
  readonly accuracy: number;
  /** Of the last step; NaN before the first step. */
  readonly learningRate: number;
  /** Images trained by this call of `fit` over the time that it has trained. */
  readonly imagesPerSecond: number;
  /** Time that this call of `fit` has trained. */
  readonly seconds: number;
  readonly secondsLeft: number;
  /** Of the last snapshot step, for each batch norm the worst over its replicas; undefined before
   * the first one, without batch norms, or with diagnosticsEvery 0. */
  readonly diagnostics: DiagnosticsSummary | undefined;
}

/** Where a fit is. */
export interface FitPosition {
  readonly epochs: number;
  /** Steps that were done when it began. */
  readonly first: number;
  /** The sums of the running epoch, and the steps that they belong to. */
  readonly state: EpochState;
  /** Steps of the run, over which its schedule is spread. */
  readonly scheduleSteps: number;
  readonly trainedMs: number;
  readonly diagnostics: DiagnosticsSummary | undefined;
}

/** The progress at a position. */
export function progressOf(kind: Progress['kind'], plan: RunPlan, at: FitPosition): Progress {
  const { first, epochs, scheduleSteps } = at;
  const { steps: step, loss, correct, count, leftOut } = at.state;
  const totalSteps = epochs * plan.stepsPerEpoch;
  const { schedule, optimizer } = plan.config;
  const seconds = at.trainedMs / 1000;
  return {
    kind,
    // That of the last step, whose sums these are.
    epoch: step === 0 ? 1 : Math.ceil(step / plan.stepsPerEpoch),
    epochs,
    step,
    totalSteps,
    samples: count,
    loss: loss / count,
    accuracy: knowsRight(plan.config) ? correct / (count - leftOut) : Number.NaN,
    learningRate:
      step === 0 ? Number.NaN : learningRateAt(schedule, optimizer.lr, step - 1, scheduleSteps),
    imagesPerSecond: (samplesUntil(plan, step) - samplesUntil(plan, first)) / seconds,
    seconds,
    secondsLeft: step === first ? Number.NaN : (seconds / (step - first)) * (totalSteps - step),
    diagnostics: at.diagnostics,
  };
}

/** Samples of the first `step` steps of a run. */
function samplesUntil(plan: RunPlan, step: number): number {
  const { stepsPerEpoch, lastBatch, config } = plan;
  const perEpoch = (stepsPerEpoch - 1) * config.globalBatch + lastBatch;
  return Math.floor(step / stepsPerEpoch) * perEpoch + (step % stepsPerEpoch) * config.globalBatch;
}
