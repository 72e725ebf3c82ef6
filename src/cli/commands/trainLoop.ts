// The loop of `syncbn train`: trains from checkpoint to checkpoint, and reports progress. Several
// processes make the same decisions, from values that they have agreed on.

import type { Evaluation } from '../../runtime/evaluation.ts';
import { isOfPeer, type Network } from '../../runtime/network.ts';
import type { Progress } from '../../runtime/progress.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import {
  headsAs,
  known,
  meanIouAs,
  type ProgressEvent,
  type RunEvent,
  type ValidationScores,
} from '../output/events.ts';
import { agreeOn } from '../process/peers.ts';
import type { Signal } from '../process/signals.ts';
import type { ValidationAsked } from '../settings/validationFlags.ts';
import {
  type CheckpointPlan,
  type CheckpointWriter,
  checkpointWriter,
} from './checkpointWriter.ts';
import type { Observer } from './observed.ts';
import { snapshotWriter } from './snapshots.ts';

const STAYS_STOPPED =
  'nothing is left to train: the run stopped early. A larger --early-stopping continues it.';

/** How far to train, and how often to report and to save. */
interface LoopPlan extends Omit<CheckpointPlan, 'path'> {
  readonly epochs: number;
  readonly maxSteps: number | undefined;
  readonly checkpoint: string | undefined;
  readonly checkpointEvery: number | undefined;
  readonly progressEveryMs: number;
  readonly validation: ValidationAsked;
  /** The file for the best epoch. */
  readonly best: string | undefined;
}

interface FitSetup {
  readonly plan: LoopPlan;
  readonly tell: (event: RunEvent) => void;
  readonly observer: Observer | undefined;
  readonly network: Network | undefined;
}

/** The result of a fit. */
export interface Training {
  readonly imagesPerSecond: number;
  readonly seconds: number;
  /** The signal that stopped it, in any of the processes. */
  readonly caught: Signal | undefined;
}

/** Sums over the parts of a run. */
interface Totals {
  images: number;
  seconds: number;
  told: ProgressEvent | undefined;
  /** Whether early stopping has ended the run. */
  isOver: boolean;
}

/** Trains to the end of the plan or to a signal, and writes checkpoints on the way. */
export async function fit(
  trainer: Trainer,
  setup: FitSetup,
  signals: { readonly caught: Signal | undefined },
): Promise<Training> {
  const { plan, tell, network } = setup;
  const end = Math.min(plan.epochs * trainer.stepsPerEpoch, plan.maxSteps ?? Infinity);
  const totals: Totals = { images: 0, seconds: 0, told: undefined, isOver: false };
  const checkpoints = checkpointWriter(trainer, { ...plan, path: plan.checkpoint }, tell);
  const { best: bestPath, overwrite, note } = plan;
  const bestPlan = { path: bestPath, heldStep: undefined, keep: undefined, overwrite, note };
  const best = checkpointWriter(trainer, bestPlan, tell);
  const snapshots = snapshotWriter(trainer, network, note);
  const trainPart = bindPart(trainer, setup, { end, totals, signals, best });
  const agree = (msPerStep: number) => agreeOn(network, { caught: signals.caught, msPerStep });
  let { caught } = await agree(0);
  try {
    while (trainer.step < end && caught === undefined && !totals.isOver) {
      const due = nextStop(trainer, plan.checkpointEvery);
      const msPerStep = await trainPart(Math.min(end, due, trainer.step + snapshots.interval));
      if (trainer.step >= Math.min(end, due)) await checkpoints.write();
      const agreed = await agree(msPerStep);
      caught = agreed.caught;
      await snapshots.write(agreed.msPerStep);
    }
  } catch (error) {
    // The error came from another process, so this process's state is intact.
    if (isOfPeer(error)) {
      await snapshots.write(0);
      await checkpoints.finish();
    }
    throw error;
  }
  const { images, seconds, told } = totals;
  const isStopTold = caught === undefined || told?.event === 'stopped';
  if (told !== undefined && !isStopTold) tell({ ...told, event: 'stopped' });
  await best.settle();
  await checkpoints.finish();
  // A supervisor that has stopped the run may start it again.
  if (caught !== 'SIGUSR1') snapshots.release();
  return { imagesPerSecond: seconds === 0 ? 0 : images / seconds, seconds, caught };
}

/** Returns a function that trains up to a step, reports progress, and returns the time per step. */
function bindPart(
  trainer: Trainer,
  { plan, tell, observer }: FitSetup,
  of: {
    readonly end: number;
    readonly totals: Totals;
    readonly signals: { readonly caught: Signal | undefined };
    readonly best: CheckpointWriter;
  },
): (next: number) => Promise<number> {
  const { end, totals, signals, best } = of;
  const { epochs, progressEveryMs, validation } = plan;
  let snapshotStep: number | undefined;
  const tellDiagnostics = (): void => {
    const snapshot = trainer.diagnostics();
    if (snapshot === undefined || snapshot.step === snapshotStep) return;
    snapshotStep = snapshot.step;
    tell({ event: 'diagnostics', ...snapshot });
  };
  return async (next) => {
    const first = trainer.step;
    let last: Progress | undefined;
    const options = { epochs, maxSteps: next, progressEveryMs, ...validation };
    for await (const progress of trainer.fit(options)) {
      last = progress;
      // A signal that arrived after all had agreed to continue.
      if (signals.caught !== undefined) trainer.stop();
      const isPause = progress.kind === 'stopped' && trainer.step < end && !signals.caught;
      const seconds = totals.seconds + progress.seconds;
      const images = totals.images + progress.imagesPerSecond * progress.seconds;
      const event = isPause ? 'progress' : progress.kind;
      totals.told = {
        ...eventOf(progress, end),
        event,
        seconds,
        imagesPerSecond: images / seconds,
      };
      tell(totals.told);
      observer?.look({ ...progress, totalSteps: end }, seconds);
      if (event !== 'progress') tellDiagnostics();
      if (isBest(progress)) await best.write();
    }
    totals.isOver = last === undefined || last.stopsEarly;
    if (last === undefined) tell({ event: 'notice', message: STAYS_STOPPED });
    const seconds = last?.seconds ?? 0;
    totals.images += (last?.imagesPerSecond ?? 0) * seconds;
    totals.seconds += seconds;
    return (seconds * 1000) / Math.max(1, trainer.step - first);
  };
}

/** Whether the epoch that has just ended is the best so far. */
function isBest({ validation, best, epoch }: Progress): boolean {
  return validation !== undefined && best?.epoch === epoch;
}

/** The step at which the next checkpoint is due: the end of the epoch, or earlier. */
function nextStop(trainer: Trainer, every: number | undefined): number {
  const { step, stepsPerEpoch } = trainer;
  const after = (interval: number): number => (Math.floor(step / interval) + 1) * interval;
  return Math.min(after(stepsPerEpoch), every === undefined ? Infinity : after(every));
}

/** The event for a progress in a run that ends at step `end`. */
function eventOf(progress: Progress, end: number): ProgressEvent {
  const { kind, epoch, epochs, step, totalSteps, imagesPerSecond, seconds } = progress;
  const shareLeft = totalSteps === step ? 0 : (end - step) / (totalSteps - step);
  return {
    event: kind,
    epoch,
    epochs,
    step,
    totalSteps: end,
    loss: known(progress.loss),
    ...headsAs(progress),
    accuracy: known(progress.accuracy),
    imagesPerSecond,
    seconds,
    secondsLeft: known(progress.secondsLeft * shareLeft),
    learningRate: known(progress.learningRate),
    validation: progress.validation === undefined ? null : scoresOf(progress.validation),
    best: progress.best ?? null,
    stopsEarly: progress.stopsEarly,
  };
}

function scoresOf(evaluation: Evaluation): ValidationScores {
  const { loss, accuracy, count, seconds } = evaluation;
  const iou = meanIouAs('meanIou', evaluation);
  const scores = { loss: known(loss), accuracy: known(accuracy), ...headsAs(evaluation) };
  return { ...scores, ...iou, count, seconds };
}
