// The worker's side of a Trainer: makes the same plan as main, binds to the arena, and answers
// calls.

import { loadModules } from '../nn/specs/modules.ts';
import { customModulesOf } from '../nn/specs/spec.ts';
import type { RunConfig } from '../plan/config.ts';
import { planRun } from '../plan/plan.ts';
import { bindWorker, type TrainWorker } from '../train/worker.ts';
import { type GangTask, serveControl } from './control.ts';

/** What a training thread is started with. */
export interface TrainData {
  readonly config: RunConfig;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

/** What a training thread offers. */
export type TrainApi = TrainWorker;

/** The whole life of a training thread. */
export function serveTraining(task: GangTask<TrainData>): Promise<number> {
  return serveControl<TrainData, TrainApi>(task, async ({ data, rank }) => {
    const { config, memory, module } = data;
    await loadModules(customModulesOf(config.model), true);
    return bindWorker({ plan: planRun(config), module, memory, rank });
  });
}
