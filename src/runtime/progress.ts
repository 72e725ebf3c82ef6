// What a fit is asked for, and what it reports: worked out by main from the words and sums that the
// workers share.

import { learningRateAt } from '../optim/schedule.ts';
import type { DiagnosticsSummary } from '../train/diagnostics.ts';
import { EPOCH_CORRECT, EPOCH_COUNT, EPOCH_LOSS } from '../train/epochSums.ts';
import type { RunPlan } from '../train/plan.ts';

/** What `fit` is asked for. */
export interface FitOptions {
  /** Epochs to have done in all, those of a resumed run included. */
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
  /** Mean over the epoch's samples so far; NaN before the first step. */
  readonly loss: number;
  /** Share of the epoch's samples so far that were right; NaN for regression. */
  readonly accuracy: number;
  /** Of the last step; NaN before the first step. */
  readonly learningRate: number;
  /** Images trained by this call of `fit` over the time that it has trained. */
  readonly imagesPerSecond: number;
  /** Time that this call of `fit` has trained. */
  readonly seconds: number;
  readonly secondsLeft: number;
  /** Of the last sampled step, for each batch norm the worst over its replicas; undefined before
   * the first one, without batch norms, or with diagnosticsEvery 0. */
  readonly diagnostics: DiagnosticsSummary | undefined;
}

/** Where a fit is. */
export interface FitPosition {
  readonly epochs: number;
  /** Steps that were done when it began. */
  readonly first: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly trainedMs: number;
  readonly diagnostics: DiagnosticsSummary | undefined;
}

/** The progress at a position. */
export function progressOf(
  kind: Progress['kind'],
  plan: RunPlan,
  epochSums: Float64Array,
  at: FitPosition,
): Progress {
  const { first, step, totalSteps, epochs } = at;
  const count = epochSums[EPOCH_COUNT]!;
  const { schedule, optimizer } = plan.config;
  const isClass = plan.config.data.task.kind === 'classification';
  const seconds = at.trainedMs / 1000;
  const isEpochEnd = step % plan.stepsPerEpoch === 0 && kind !== 'progress';
  return {
    kind,
    epoch: Math.floor(step / plan.stepsPerEpoch) + (isEpochEnd ? 0 : 1),
    epochs,
    step,
    totalSteps,
    loss: epochSums[EPOCH_LOSS]! / count,
    accuracy: isClass ? epochSums[EPOCH_CORRECT]! / count : Number.NaN,
    learningRate:
      step === 0 ? Number.NaN : learningRateAt(schedule, optimizer.lr, step - 1, totalSteps),
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
