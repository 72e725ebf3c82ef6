// The workers of a run, as it uses them: their plan, the words that they agree by, and the way to
// ask them for something. A fixed team falls when one of its workers does; an elastic one is in
// elasticTeam.ts.

import { ownFile } from '../base/ownFile.ts';
import { layerNames, type RunPlan } from '../plan/plan.ts';
import type { ControlWords } from '../sync/words.ts';
import type { Crew } from './crew.ts';
import { type Gang, startGang, startThreads, type Use } from './gang.ts';
import type { TrainApi, TrainData } from './trainWorker.ts';

export interface Team {
  readonly plan: RunPlan;
  readonly words: ControlWords;
  /** Asks all workers at once; the results are in rank order. `regained` is told how many steps of
   * the run are done where workers have to be asked again. */
  callAll<T>(use: Use<TrainApi, T>, regained?: (steps: number) => void): Promise<T[]>;
  close(): Promise<void>;
}

/** What all threads of a team are started with. */
export interface TeamSetup extends Omit<TrainData, 'config'> {
  readonly startTimeoutMs: number | undefined;
  /** The threads of {@link openWorkers}; new ones where it is undefined. */
  readonly crew?: Crew | undefined;
}

/** What all threads of a training gang run. */
const ENTRY = '#workers/train.js';

/** Begins to start the threads of a plan, which need nothing of its arena yet. */
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

/** The team whose gang this is. */
export function fixedTeam(plan: RunPlan, words: ControlWords, gang: Gang<TrainApi>): Team {
  return { plan, words, callAll: (use) => gang.callAll(use), close: () => gang.close() };
}
