// The training step of one worker: load, forward, loss, backward, reduce, update. Nothing is
// allocated in it.

import { typedView } from '../memory/arena.ts';
import { prepareCall } from '../sync/call.ts';
import { bindBatches } from './batches.ts';
import type { WorkerContext } from './context.ts';
import { foldShardSums } from './epochSums.ts';
import { ENTER_LOSS, ENTER_OTHER, ENTER_UPDATE } from './profile.ts';
import { bindUpdate } from './update.ts';

/** Word of the progress line: steps that are done. */
export const PROGRESS_STEPS = 0;

/** Binds the training of one worker: the function trains steps [from, to), fewer when a stop is
 * asked for, and returns the steps done in all. */
export function bindTraining(
  context: WorkerContext,
): (from: number, to: number, totalSteps: number) => number {
  const { plan, worker, memory, member, step, program, loss, losses, correct } = context;
  const { profiler } = context;
  const { layout, config } = plan;
  const { diagnosticsEvery } = config;
  const { replicas, rank } = worker;
  const countLocalReplicas = replicas.hi - replicas.lo;
  const update = bindUpdate(context);
  const batches = bindBatches(context);
  const shardSums = typedView(memory, layout.get('shard.sums'), 'f64');
  const epochSums = typedView(memory, layout.get('epoch.sums'), 'f64');
  const gradientsCall = prepareCall({ kind: 'gradients', length: plan.parameters.length });
  const weightsCall = prepareCall({ kind: 'weights', length: plan.parameters.length });

  /** The losses and hits of this worker's samples, replica by replica. */
  const sumShards = (): void => {
    for (let replica = 0; replica < countLocalReplicas; replica++) {
      let lossSum = 0;
      let correctCount = 0;
      const end = step.replicaStart[replica + 1]!;
      for (let sample = step.replicaStart[replica]!; sample < end; sample++) {
        lossSum += losses[sample]!;
        correctCount += correct[sample]!;
      }
      shardSums[(replicas.lo + replica) * 2] = lossSum;
      shardSums[(replicas.lo + replica) * 2 + 1] = correctCount;
    }
  };

  /** One optimizer step. Returns whether the run is asked to stop behind it. */
  const trainStep = (index: number): boolean => {
    const inEpoch = index % plan.stepsPerEpoch;
    step.isSampled = diagnosticsEvery > 0 && index % diagnosticsEvery === 0;
    batches.load(index);
    context.forward();
    profiler?.enter(ENTER_LOSS);
    loss.run();
    profiler?.enter(ENTER_OTHER);
    sumShards();
    context.backward();
    profiler?.enter(ENTER_UPDATE);
    member.setPosition(index, -1);
    member.sync(gradientsCall);
    update.run(index);
    for (let i = 0; i < program.bufferUpdates.length; i++) {
      const buffers = program.bufferUpdates[i]!;
      member.setPosition(index, buffers.layerId);
      buffers.update();
    }
    member.setPosition(index, -1);
    profiler?.enter(ENTER_OTHER);
    if (rank === 0) {
      if (inEpoch === 0) epochSums.fill(0);
      foldShardSums(epochSums, shardSums, step.globalCount);
    }
    profiler?.enter(ENTER_UPDATE);
    const isStopping = member.syncStop(weightsCall);
    if (rank === 0) Atomics.store(context.progress, PROGRESS_STEPS, index + 1);
    return isStopping;
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
      const isStopping = trainStep(done);
      profiler?.endStep();
      done++;
      if (isStopping) break;
    }
    return done;
  };
}
