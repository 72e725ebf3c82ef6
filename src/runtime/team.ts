// The workers of a run: their plan, the control words that they share, and the way to call them. A
// fixed team fails when one of its workers does; the elastic one is in elasticTeam.ts.

import { ownFile } from '../base/ownFile.ts';
import { layerNames, type RunPlan } from '../plan/plan.ts';
import type { ControlWords } from '../sync/words.ts';
import type { Crew } from './crew.ts';
import { type Gang, startGang, startThreads, type Use } from './gang.ts';
import type { TrainApi, TrainData } from './trainWorker.ts';

export interface Team {
  readonly plan: RunPlan;
  readonly words: ControlWords;
  /** Calls all workers at once; the results are in rank order. `regained` receives the number of
   * completed steps when workers must be called again. */
  callAll<T>(use: Use<TrainApi, T>, regained?: (steps: number) => void): Promise<T[]>;
  close(): Promise<void>;
}

/** What all threads of a team are started with. */
export interface TeamSetup extends Omit<TrainData, 'config'> {
  readonly startTimeoutMs: number | undefined;
  /** The threads of {@link openWorkers}; if undefined, new ones are started. */
  readonly crew?: Crew | undefined;
}

/** The file that all threads of a training gang run. */
const ENTRY = '#workers/train.js';

/** Starts the threads of a plan before its arena is filled. */
export function openWorkers({ config }: RunPlan): Promise<Crew> {
  return startThreads({ workers: config.workers, entry: ownFile(ENTRY) });
}

/** Starts the workers of a plan. */
export function startWorkers(
  plan: RunPlan,
  words: ControlWords,
  { startTimeoutMs, crew, ...shared }: TeamSetup,
  onDeath?: () => void,
): Promise<Gang<TrainApi>> {
  const { config } = plan;
  return startGang<TrainApi, TrainData>({
    workers: config.workers,
    entry: ownFile(ENTRY),
    crew,
    dataOf: () => ({ config, ...shared }),
    words,
    layerNames: layerNames(plan),
    stallTimeoutMs: config.timeoutMs,
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    ...(onDeath !== undefined && { onDeath }),
  });
}

/** The team of this gang. */
export function fixedTeam(plan: RunPlan, words: ControlWords, gang: Gang<TrainApi>): Team {
  return { plan, words, callAll: (use) => gang.callAll(use), close: () => gang.close() };
}
