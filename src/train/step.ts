// The training step of one worker: load, forward, loss, backward, reduce, update. Nothing is
// allocated in it.

import { viewOf } from '../memory/arena.ts';
import { ENTER_LOSS, ENTER_OTHER, ENTER_UPDATE } from '../observe/profile.ts';
import { snapshotExchange } from '../plan/exchanges.ts';
import { countHeads } from '../plan/heads.ts';
import { addStep, bindGrainFold, GRAIN_SUMS, publishEpoch } from '../reduce/epochSums.ts';
import { prepareCall } from '../sync/call.ts';
import type { Batches } from './batches.ts';
import type { WorkerContext } from './context.ts';
import { bindDivergenceSearch, type Divergence, type DivergenceSearch } from './divergence.ts';
import { bindGuard, VOTE_PARTS, VOTE_STATE } from './guard.ts';
import type { StepHooks } from './passes.ts';
import { bindUndo } from './undo.ts';
import { bindUpdate, type Update } from './update.ts';

/** The result of a training call. */
export interface Trained {
  /** Total steps of the run. */
  readonly done: number;
  /** Where its numbers stopped being finite; present on all workers or on none. */
  readonly divergence?: Divergence;
}

/** How a step ended. */
const GO_ON = 0;
const STOP = 1;
/** Losses or gradients are not finite, and nothing was updated. */
const BAD_GRADIENTS = 2;
/** Running statistics or sums of gradients are not finite; the step has been completed. */
const BAD_STATE = 3;

/** Trains steps [from, to), or fewer if a stop is requested or numbers are not finite. Learning
 * rates follow a schedule that starts from `baseLr`, by default the optimizer's rate, and ends at
 * `totalSteps`. */
export type TrainSteps = (from: number, to: number, totalSteps: number, baseLr?: number) => Trained;

/** Binds the training of one worker. */
export function bindTraining(context: WorkerContext, batches: Batches): TrainSteps {
  const { plan, profiler } = context;
  const update = bindUpdate(context);
  const search = bindDivergenceSearch(context, batches, update);
  const trainStep = bindStep(context, { update, batches, search });

  return (from, to, totalSteps, baseLr = plan.config.optimizer.lr) => {
    context.setNow({ training: true });
    update.prepare(from, to, totalSteps, baseLr);
    let done = from;
    while (done < to) {
      profiler?.beginStep(done);
      if (done === from || done % plan.stepsPerEpoch === 0) {
        batches.prepareOrder(done);
      }
      const end = trainStep(done);
      profiler?.endStep();
      if (end === BAD_GRADIENTS) return { done, divergence: search.inStep(done) };
      done++;
      if (end === BAD_STATE) return { done, divergence: search.inState(done - 1) };
      if (end === STOP) break;
    }
    return { done };
  };
}

/** Binds one optimizer step. The step returns how it ended. */
function bindStep(
  context: WorkerContext,
  parts: {
    readonly update: Update;
    readonly batches: Batches;
    readonly search: DivergenceSearch;
  },
): (index: number) => number {
  const { plan, memory, member, microBatches, now, profiler } = context;
  const { update, batches, search } = parts;
  const { diagnosticsEvery } = plan.config;
  const { rank } = context.worker;
  const guard = bindGuard(plan, memory, rank);
  const sums = bindStepSums(context);
  const weightsCall = prepareCall({ kind: 'weights', length: plan.parameters.length });
  const diagnose = bindDiagnoses(context);
  const undo = bindUndo(plan, memory, rank);
  const { bufferUpdates } = microBatches[0]!.program;
  let isLossFinite = true;
  const hooks: StepHooks = {
    load: batches.load,
    loss(m) {
      profiler?.enter(ENTER_LOSS);
      microBatches[m]!.loss.run();
      profiler?.enter(ENTER_OTHER);
      isLossFinite = sums.sumGrains(m) && isLossFinite;
    },
    watch: update.watch,
  };

  return (index) => {
    const isSnapshot = diagnosticsEvery > 0 && index % diagnosticsEvery === 0;
    for (let m = 0; m < microBatches.length; m++) microBatches[m]!.step.isSnapshot = isSnapshot;
    isLossFinite = true;
    batches.begin(index);
    context.runStep(hooks);
    profiler?.enter(ENTER_UPDATE);
    member.setPosition(index, -1);
    guard?.vote(VOTE_PARTS, isLossFinite && update.arePartsFinite());
    update.publish();
    if (guard?.areAllFinite(VOTE_PARTS) === false) return BAD_GRADIENTS;
    if (now.isSnapshot) diagnose();
    undo?.keep(index);
    if (!update.run(index)) return BAD_GRADIENTS;
    for (let i = 0; i < bufferUpdates.length; i++) {
      const buffers = bufferUpdates[i]!;
      member.setPosition(index, buffers.layerId);
      buffers.update();
    }
    member.setPosition(index, -1);
    profiler?.enter(ENTER_OTHER);
    if (rank === 0) sums.addToEpoch(index);
    profiler?.enter(ENTER_UPDATE);
    undo?.changed(index);
    guard?.vote(VOTE_STATE, update.isTotalFinite() && search.areStatisticsFinite());
    const isStopping = member.syncStop(weightsCall);
    if (rank === 0) sums.publish(index + 1);
    if (guard?.areAllFinite(VOTE_STATE) === false) return BAD_STATE;
    return isStopping ? STOP : GO_ON;
  };
}

/** Returns a function that writes the diagnostics of a snapshot step, once its gradients are
 * published. */
function bindDiagnoses({ plan, member, microBatches }: WorkerContext): () => void {
  const { diagnoses } = microBatches[0]!.program;
  const call = prepareCall({ kind: 'snapshot', exchange: snapshotExchange(plan) });
  const needsExchange = plan.grains.processes.length > 1 && diagnoses.length > 0;
  return () => {
    if (needsExchange) member.sync(call);
    for (let i = 0; i < diagnoses.length; i++) diagnoses[i]!();
  };
}

/** The sums of a step's losses and hits. */
interface StepSums {
  /** Sums those of a micro-batch's samples, grain by grain, and returns whether all losses are
   * finite. */
  sumGrains(m: number): boolean;
  /** On rank 0, once all grains are summed: folds the sums and adds them to the epoch's. */
  addToEpoch(index: number): void;
  /** On rank 0: publishes the epoch's sums after `steps` steps of the run. */
  publish(steps: number): void;
}

function bindStepSums(context: WorkerContext): StepSums {
  const { plan, memory, microBatches, now } = context;
  const { control } = plan.regions;
  const grainSums = viewOf(memory, control.grainSums);
  const length = GRAIN_SUMS + countHeads(plan.config);
  const foldGrains = bindGrainFold(grainSums, length);
  const epochSums = viewOf(memory, control.epochSums);
  const published = viewOf(memory, control.epochPublished);
  return {
    sumGrains(m) {
      const { step, loss, leftOutOf, plan: own } = microBatches[m]!;
      const { losses, correct, headLosses } = loss;
      const { lo, hi } = own.grains;
      let areFinite = true;
      for (let grain = 0; grain < hi - lo; grain++) {
        let lossSum = 0;
        let correctCount = 0;
        let leftOut = 0;
        const end = step.grainStart[grain + 1]!;
        for (let sample = step.grainStart[grain]!; sample < end; sample++) {
          lossSum += losses[sample]!;
          correctCount += correct[sample]!;
          leftOut += leftOutOf(sample);
        }
        const at = (lo + grain) * length;
        grainSums[at] = lossSum;
        grainSums[at + 1] = correctCount;
        grainSums[at + 2] = leftOut;
        areFinite = areFinite && Number.isFinite(lossSum);
        for (let head = 0; head < headLosses.length; head++) {
          const headSum = sumBetween(headLosses[head]!, step.grainStart[grain]!, end);
          grainSums[at + GRAIN_SUMS + head] = headSum;
          areFinite = areFinite && Number.isFinite(headSum);
        }
      }
      return areFinite;
    },
    addToEpoch(index) {
      if (index % plan.stepsPerEpoch === 0) epochSums.fill(0);
      foldGrains();
      addStep(epochSums, grainSums, now.globalCount);
    },
    publish(steps) {
      publishEpoch(published, context.progress, epochSums, steps);
    },
  };
}

function sumBetween(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i]!;
  return sum;
}
