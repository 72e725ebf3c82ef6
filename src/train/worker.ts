// One worker's side of a run, on bound addresses. Everything here is synchronous; `runtime` starts
// workers and listens to them.

import { RunError, UsageError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import { layerNames } from '../plan/plan.ts';
import type { PopulationDefinition } from '../plan/populationPlan.ts';
import { readPosition } from '../sync/words.ts';
import { type Batches, bindBatches } from './batches.ts';
import { bindContext, type WorkerContext, type WorkerSetup } from './context.ts';
import { bindInference, type Inference } from './inference.ts';
import { bindPopulations } from './population.ts';
import { bindTraining, type TrainSteps } from './step.ts';

export interface TrainWorker extends Inference {
  readonly train: TrainSteps;
  /** Replaces running statistics with those of the population, over the batches of `count` steps
   * starting at step `from`, with the current weights. */
  measure(from: number, count: number, definition: PopulationDefinition): void;
  /** Signals that there are no more calls. */
  finish(): void;
}

/** Binds a worker to the arena. */
export function bindWorker(setup: WorkerSetup): TrainWorker {
  const context = bindContext(setup);
  const batches = bindBatches(context);
  const train = bindTraining(context, batches);
  const inference = bindInference(context);
  const measure = bindMeasure(context, batches);
  return {
    train: (...steps) => locating(context, () => train(...steps)),
    measure: (from, count, definition) => locating(context, () => measure(from, count, definition)),
    evaluate: (split, batch) => locating(context, () => inference.evaluate(split, batch)),
    weigh: (split) => locating(context, () => inference.weigh(split)),
    predict: (count) => locating(context, () => inference.predict(count)),
    finish: () => context.member.finish(),
  };
}

function bindMeasure(context: WorkerContext, batches: Batches): TrainWorker['measure'] {
  const { plan } = context;
  const populations = bindPopulations(context);
  return (from, count, definition) => {
    // It uses the numbers of future steps, so it must not keep data for them.
    context.setNow({ training: true, isSnapshot: false });
    populations.begin();
    for (let index = from; index < from + count; index++) {
      if (index === from || index % plan.stepsPerEpoch === 0) batches.prepareOrder(index);
      batches.begin(index);
      populations.addBatch(definition, batches.load);
    }
    populations.finish(definition, count);
  };
}

/** Adds rank, step and layer to errors that are thrown in a pass. */
function locating<T>(context: WorkerContext, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof RunError || error instanceof UsageError) throw error;
    const { words, worker, now, plan } = context;
    const layer = layerNames(plan)[readPosition(words, worker.rank).layerId ?? -1];
    const where = { rank: worker.rank, step: now.step, ...(layer !== undefined && { layer }) };
    const reason = showError(error);
    throw new RunError({ reason, ...where }, { cause: error });
  }
}
