// The training step of one worker: load, forward, loss, backward, reduce, update. Nothing is
// allocated in it.

import { typedView } from '../memory/arena.ts';
import { ENTER_LOSS, ENTER_OTHER, ENTER_UPDATE } from '../observe/profile.ts';
import { addStep, bindGrainFold, GRAIN_SUMS, publishEpoch } from '../reduce/epochSums.ts';
import { prepareCall } from '../sync/call.ts';
import { bindBatches } from './batches.ts';
import type { WorkerContext } from './context.ts';
import { bindDivergenceSearch, type Divergence } from './divergence.ts';
import { bindGuard, VOTE_PARTS, VOTE_STATE } from './guard.ts';
import { bindUpdate } from './update.ts';

/** What a call of training has done. */
export interface Trained {
  /** Total steps of the run. */
  readonly done: number;
  /** Where its numbers stopped being finite; on all workers or on none. */
  readonly divergence?: Divergence;
}

/** How a step ended. */
const GO_ON = 0;
const STOP = 1;
/** Losses or gradients are not finite, and nothing was updated. */
const BAD_GRADIENTS = 2;
/** Running statistics, or sums of gradients, are not finite, and the step is done. */
const BAD_STATE = 3;

/** Binds the training of one worker: the function trains steps [from, to), fewer when a stop is
 * asked for or numbers are not finite. */
export function bindTraining(
  context: WorkerContext,
): (from: number, to: number, totalSteps: number) => Trained {
  const { plan, worker, memory, member, step, program, loss, losses, correct } = context;
  const { profiler } = context;
  const { layout, config } = plan;
  const { diagnosticsEvery } = config;
  const { grains, rank } = worker;
  const countGrains = grains.hi - grains.lo;
  const update = bindUpdate(context);
  const batches = bindBatches(context);
  const guard = bindGuard(plan, memory, rank);
  const search = bindDivergenceSearch(context, batches, update);
  const grainSums = typedView(memory, layout.get('grain.sums'), 'f64');
  const foldGrains = bindGrainFold(grainSums);
  const epochSums = typedView(memory, layout.get('epoch.sums'), 'f64');
  const published = typedView(memory, layout.get('epoch.published'), 'f64');
  const gradientsCall = prepareCall({ kind: 'gradients', length: plan.parameters.length });
  const weightsCall = prepareCall({ kind: 'weights', length: plan.parameters.length });

  /** Sums up the losses and hits of this worker's samples, grain by grain, and says whether all
   * losses are finite. */
  const sumGrains = (): boolean => {
    let areFinite = true;
    for (let grain = 0; grain < countGrains; grain++) {
      let lossSum = 0;
      let correctCount = 0;
      const end = step.grainStart[grain + 1]!;
      for (let sample = step.grainStart[grain]!; sample < end; sample++) {
        lossSum += losses[sample]!;
        correctCount += correct[sample]!;
      }
      grainSums[(grains.lo + grain) * GRAIN_SUMS] = lossSum;
      grainSums[(grains.lo + grain) * GRAIN_SUMS + 1] = correctCount;
      areFinite = areFinite && Number.isFinite(lossSum);
    }
    return areFinite;
  };

  /** One optimizer step. Returns how it ended. */
  const trainStep = (index: number): number => {
    const inEpoch = index % plan.stepsPerEpoch;
    step.isSnapshot = diagnosticsEvery > 0 && index % diagnosticsEvery === 0;
    batches.load(index);
    context.forward();
    profiler?.enter(ENTER_LOSS);
    loss.run();
    profiler?.enter(ENTER_OTHER);
    const isLossFinite = sumGrains();
    context.backward();
    profiler?.enter(ENTER_UPDATE);
    member.setPosition(index, -1);
    guard?.vote(VOTE_PARTS, isLossFinite && update.arePartsFinite());
    member.sync(gradientsCall);
    if (guard?.areAllFinite(VOTE_PARTS) === false) return BAD_GRADIENTS;
    if (!update.run(index)) return BAD_GRADIENTS;
    for (let i = 0; i < program.bufferUpdates.length; i++) {
      const buffers = program.bufferUpdates[i]!;
      member.setPosition(index, buffers.layerId);
      buffers.update();
    }
    member.setPosition(index, -1);
    profiler?.enter(ENTER_OTHER);
    if (rank === 0) {
      if (inEpoch === 0) epochSums.fill(0);
      foldGrains();
      addStep(epochSums, grainSums, step.globalCount);
    }
    profiler?.enter(ENTER_UPDATE);
    guard?.vote(VOTE_STATE, update.isTotalFinite() && search.areStatisticsFinite());
    const isStopping = member.syncStop(weightsCall);
    if (rank === 0) publishEpoch(published, context.progress, epochSums, index + 1);
    if (guard?.areAllFinite(VOTE_STATE) === false) return BAD_STATE;
    return isStopping ? STOP : GO_ON;
  };

  return (from, to, totalSteps) => {
    step.training = true;
    update.prepare(from, to, totalSteps);
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
