// What a fit is asked for, and what it reports: worked out by main from the words and sums that the
// workers share.

import { labelsOf } from '../data/task.ts';
import type { DiagnosticsSummary } from '../observe/diagnostics.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { BestEpoch, MonitorName, ValidationSplit } from '../optim/monitor.ts';
import { headLossesOf } from '../plan/heads.ts';
import { knowsRight } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { EpochState } from '../reduce/epochSums.ts';
import type { Evaluation } from './evaluation.ts';

/** What `fit` is asked for. */
export interface FitOptions {
  /** Total epochs, including those before a resume. The first call also says how long the run is,
   * over which a cosine schedule is spread, unless `Trainer.start` was given `epochs`; later calls
   * may then ask for less, but not for more. */
  readonly epochs: number;
  /** Yield progress within an epoch, about this often; default: only at the end of each epoch. */
  readonly progressEveryMs?: number;
  /** Evaluate these samples at the end of each epoch: the test samples, or those that
   * `validationSplit` holds out. Default: none. */
  readonly validate?: ValidationSplit;
  /** Stop at the end of an epoch when the validation has not improved for a while. Default: all
   * epochs are trained. */
  readonly earlyStopping?: EarlyStopping;
  /** Keep weights and running statistics of the best epoch: in memory for `restoreBest()`, and in
   * all checkpoints. `true` goes by the monitor of `earlyStopping`, else by the loss. Default
   * false. */
  readonly keepBest?: boolean | MonitorName;
  /** {@link keepBest}, and give the run those weights when the fit has come to its end, or stops
   * early. Default false. */
  readonly restoreBest?: boolean;
  /** Stops after the current step when it is aborted. Default none. */
  readonly signal?: AbortSignal;
  /** Stop after this many total steps; default: at the end of the last epoch. An epoch that is cut
   * short is not validated. */
  readonly maxSteps?: number;
}

/** When to stop early. The decisions are part of checkpoints: a resumed run makes the same. */
export interface EarlyStopping {
  /** What has to get better; default: what `keepBest` names, else `loss`. */
  readonly monitor?: MonitorName;
  /** Stop after so many epochs in a row without an improvement on the best. */
  readonly patience: number;
  /** An epoch is better by more than this alone; default 0. */
  readonly minDelta?: number;
}

/** What `fit` yields. */
export interface Progress {
  /** `epoch` at the end of an epoch, `progress` within one, `stopped` when the run stopped before
   * its end: after `stop()` or an aborted signal, or at maxSteps. */
  readonly kind: 'progress' | 'epoch' | 'stopped';
  /** The epoch that is running or has ended, from 1. */
  readonly epoch: number;
  /** Epochs that this fit ends with. */
  readonly epochs: number;
  /** Total steps. */
  readonly step: number;
  /** Steps that this fit ends with. */
  readonly totalSteps: number;
  /** Samples of the epoch that loss and accuracy are of; 0 before the first step. */
  readonly samples: number;
  /** Mean over the epoch's samples so far; NaN before the first step. Where samples have weights,
   * the loss of a step is their weighted mean, and this is the mean over steps by their samples. */
  readonly loss: number;
  /** Of each head of the model, by its name, likewise. */
  readonly headLosses: Readonly<Record<string, number>>;
  /** What is minimized: the loss, and that of each head times its weight. */
  readonly totalLoss: number;
  /** Share of the epoch's samples so far that were right, of those whose weight is not 0; of masks
   * the share of pixels, without those that are ignored. NaN for losses that know no right and
   * wrong. A sample with several labels is right where all outputs
   * are; of one that mixup or cutmix has mixed the class with the largest share counts. */
  readonly accuracy: number;
  /** Of the last step; NaN before the first step. */
  readonly learningRate: number;
  /** Images trained by this call of `fit` over the time that it has trained. */
  readonly imagesPerSecond: number;
  /** Time that this call of `fit` has trained. */
  readonly seconds: number;
  /** An estimate, from the speed so far. */
  readonly secondsLeft: number;
  /** Of the last snapshot step, for each batch norm the worst over its replicas; undefined before
   * the first one, without batch norms, or with diagnosticsEvery 0. */
  readonly diagnostics: DiagnosticsSummary | undefined;
  /** At the end of an epoch, where `validate` asks for it. */
  readonly validation: Evaluation | undefined;
  /** The best epoch so far, this one included, where `earlyStopping` or `keepBest` asks for it. */
  readonly best: BestEpoch | undefined;
  /** Whether `earlyStopping` ends the run here. */
  readonly stopsEarly: boolean;
}

/** Where a fit is. */
export interface FitPosition {
  readonly epochs: number;
  /** Steps that were done when it began. */
  readonly first: number;
  /** The sums of the running epoch, and the steps that they belong to. */
  readonly state: EpochState;
  /** The rate that the schedule starts from. */
  readonly baseLr: number;
  /** Steps of the run, over which its schedule is spread. */
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
    // That of the last step, whose sums these are.
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

/** Samples of the first `step` steps of a run. */
function samplesUntil(plan: RunPlan, step: number): number {
  const { stepsPerEpoch, lastBatch, config } = plan;
  const perEpoch = (stepsPerEpoch - 1) * config.globalBatch + lastBatch;
  return Math.floor(step / stepsPerEpoch) * perEpoch + (step % stepsPerEpoch) * config.globalBatch;
}
