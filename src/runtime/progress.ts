// The options of a fit, and its progress, which the main thread computes from the words and sums
// that the workers share.

import { labelsOf } from '../data/task.ts';
import type { DiagnosticsSummary } from '../observe/diagnostics.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { BestEpoch, MonitorName, ValidationSplit } from '../optim/monitor.ts';
import { headLossesOf } from '../plan/heads.ts';
import { knowsRight } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { EpochState } from '../reduce/epochSums.ts';
import type { Evaluation } from './evaluation.ts';

/** The options of `fit`. */
export interface FitOptions {
  /** Total epochs, including those before a resume. The first call also fixes the length of the
   * run, over which a cosine schedule is spread, unless `Trainer.start` was given `epochs`. Later
   * calls may then ask for fewer epochs, but not for more. */
  readonly epochs: number;
  /** Yield progress within an epoch, about this often. Default: only at the end of each epoch. */
  readonly progressEveryMs?: number;
  /** Evaluate these samples at the end of each epoch: the test samples, or those that
   * `validationSplit` holds out. Default: none. */
  readonly validate?: ValidationSplit;
  /** Stop at the end of an epoch when the validation has not improved for a while. Default: all
   * epochs are trained. */
  readonly earlyStopping?: EarlyStopping;
  /** Keep weights and running statistics of the best epoch, both in memory for `restoreBest()` and
   * in all checkpoints. `true` uses the monitor of `earlyStopping`, or the loss if there is none.
   * Default false. */
  readonly keepBest?: boolean | MonitorName;
  /** Implies {@link keepBest}, and gives the run those weights when the fit ends or stops early.
   * Default false. */
  readonly restoreBest?: boolean;
  /** Stops the fit after the current step when it is aborted. Default none. */
  readonly signal?: AbortSignal;
  /** Stop after this many total steps; default: at the end of the last epoch. An epoch that is cut
   * short is not validated. */
  readonly maxSteps?: number;
}

/** When to stop early. The decisions are part of checkpoints: a resumed run makes the same. */
export interface EarlyStopping {
  /** The value that must improve. Default: the monitor of `keepBest`, or `loss`. */
  readonly monitor?: MonitorName;
  /** Stop after this many epochs in a row without improving on the best. */
  readonly patience: number;
  /** An epoch must be better by more than this; default 0. */
  readonly minDelta?: number;
}

/** What `fit` yields. */
export interface Progress {
  /** `epoch` at the end of an epoch, `progress` within one, `stopped` when the run stopped before
   * its end: after `stop()` or an aborted signal, or at maxSteps. */
  readonly kind: 'progress' | 'epoch' | 'stopped';
  /** The current epoch, or the one that has just ended, from 1. */
  readonly epoch: number;
  /** Total epochs when this fit ends. */
  readonly epochs: number;
  /** Total steps. */
  readonly step: number;
  /** Total steps when this fit ends. */
  readonly totalSteps: number;
  /** Samples of the epoch that loss and accuracy cover; 0 before the first step. */
  readonly samples: number;
  /** Mean over the epoch's samples so far; NaN before the first step. If samples have weights, a
   * step's loss is their weighted mean, and this is the mean over steps, weighted by their sample
   * counts. */
  readonly loss: number;
  /** The same for each head of the model, by name. */
  readonly headLosses: Readonly<Record<string, number>>;
  /** What is minimized: the loss plus each head's loss times its weight. */
  readonly totalLoss: number;
  /** Fraction of the epoch's samples so far, with nonzero weight, that were classified correctly;
   * for masks, the fraction of pixels that are not ignored. NaN for losses without right and wrong
   * answers. A sample with several labels is correct if all outputs are. For a sample mixed by
   * mixup or cutmix, the class with the largest share counts. */
  readonly accuracy: number;
  /** Learning rate of the last step; NaN before the first step. */
  readonly learningRate: number;
  /** Images trained per second of training time in this call of `fit`. */
  readonly imagesPerSecond: number;
  /** Training time of this call of `fit`. */
  readonly seconds: number;
  /** Estimated from the speed so far. */
  readonly secondsLeft: number;
  /** For each batch norm, the worst value over its replicas in the last snapshot step; undefined
   * before the first one, without batch norms, or with diagnosticsEvery 0. */
  readonly diagnostics: DiagnosticsSummary | undefined;
  /** At the end of an epoch, if `validate` is given. */
  readonly validation: Evaluation | undefined;
  /** The best epoch so far, including this one, if `earlyStopping` or `keepBest` is given. */
  readonly best: BestEpoch | undefined;
  /** Whether `earlyStopping` ends the run here. */
  readonly stopsEarly: boolean;
}

/** The position of a fit. */
export interface FitPosition {
  readonly epochs: number;
  /** Steps completed when it began. */
  readonly first: number;
  /** The sums of the current epoch, and the steps that they belong to. */
  readonly state: EpochState;
  /** The rate that the schedule starts from. */
  readonly baseLr: number;
  /** Steps of the run that its schedule is spread over. */
  readonly scheduleSteps: number;
  readonly trainedMs: number;
  readonly diagnostics: DiagnosticsSummary | undefined;
  readonly validation?: Evaluation | undefined;
  readonly best?: BestEpoch | undefined;
  readonly stopsEarly?: boolean;
}

/** The progress at a position. */
export function progressOf(kind: Progress['kind'], plan: RunPlan, at: FitPosition): Progress {
  const { first, epochs, scheduleSteps, baseLr } = at;
  const { steps: step, loss, correct, count, leftOut, furtherLosses } = at.state;
  const totalSteps = epochs * plan.stepsPerEpoch;
  const { schedule, data } = plan.config;
  const labels = labelsOf(data.task);
  const run = { totalSteps: scheduleSteps, stepsPerEpoch: plan.stepsPerEpoch };
  const seconds = at.trainedMs / 1000;
  return {
    kind,
    // The epoch of the last step, since these are its sums.
    epoch: step === 0 ? 1 : Math.ceil(step / plan.stepsPerEpoch),
    epochs,
    step,
    totalSteps,
    samples: count,
    loss: loss / count,
    ...headLossesOf(plan.config, furtherLosses, { loss: loss / count, count }),
    accuracy: knowsRight(plan.config) ? correct / (count * labels - leftOut) : Number.NaN,
    learningRate: step === 0 ? Number.NaN : learningRateAt(schedule, baseLr, step - 1, run),
    imagesPerSecond: (samplesUntil(plan, step) - samplesUntil(plan, first)) / seconds,
    seconds,
    secondsLeft: step === first ? Number.NaN : (seconds / (step - first)) * (totalSteps - step),
    diagnostics: at.diagnostics,
    validation: at.validation,
    best: at.best,
    stopsEarly: at.stopsEarly ?? false,
  };
}

/** Samples in the first `step` steps of a run. */
function samplesUntil(plan: RunPlan, step: number): number {
  const { stepsPerEpoch, lastBatch, config } = plan;
  const perEpoch = (stepsPerEpoch - 1) * config.globalBatch + lastBatch;
  return Math.floor(step / stepsPerEpoch) * perEpoch + (step % stepsPerEpoch) * config.globalBatch;
}
