// The Trainer: from a model and a dataset to a trained network, on all cores. Plans the run, fills
// the arena, starts the gang and controls it by messages; whatever a step computes stays in shared
// memory.

import { createRequire } from 'node:module';
import type { Dataset } from '../data/dataset.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, typedView } from '../memory/arena.ts';
import { loadCustomLayers } from '../nn/custom.ts';
import { customModulesOf } from '../nn/spec.ts';
import { type Checkpoint, readCheckpoint } from '../train/checkpoint.ts';
import type { RunConfig } from '../train/config.ts';
import { type CarriedTensor, convertCheckpoint } from '../train/convertState.ts';
import { planRun } from '../train/plan.ts';
import { layerNames } from '../train/program.ts';
import { fillArena, restoreTensors, stateTensors } from '../train/state.ts';
import { startGang } from './gang.ts';
import { giveNotice, noticesOf } from './notices.ts';
import { type ResumeOptions, resumeConfig, savedTensors } from './resume.ts';
import { Run } from './run.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';
import type { RunningTrainer } from './trainerTypes.ts';
import type { TrainApi, TrainData } from './trainWorker.ts';

/** A run: a model, its data, and the threads that train it. */
export type Trainer = RunningTrainer;

/** Starts runs. */
export const Trainer = {
  /** Plans a run, fills its memory and starts its threads. Throws a {@link UsageError} for options
   * that do not fit together, before any thread is started. */
  async start(options: TrainerOptions): Promise<Trainer> {
    await loadCustomLayers(customModulesOf(options.model));
    const config = resolveOptions(options);
    giveNotices(config, options);
    return startTrainer(config, options.data, undefined);
  },

  /** Goes on from a checkpoint, on any number of workers, with the same bits as an uninterrupted
   * run. The data must be the checkpoint's. */
  async resume(checkpoint: string | Checkpoint, options: ResumeOptions): Promise<Trainer> {
    const what = typeof checkpoint === 'string' ? `checkpoint ${checkpoint}` : 'checkpoint';
    const read = typeof checkpoint === 'string' ? await readCheckpoint(checkpoint) : checkpoint;
    const { norm } = options;
    const { saved, report } =
      norm === undefined ? { saved: read, report: [] } : await convertCheckpoint(what, read, norm);
    const config = await resumeConfig(what, saved, options);
    giveNotices(config, options);
    return startTrainer(config, options.data, { what, saved, report });
  },
};

/** Says what the user should know before the first step. */
function giveNotices(config: RunConfig, options: TrainerOptions | ResumeOptions): void {
  const give = options.onNotice ?? giveNotice;
  for (const notice of noticesOf({ config, data: options.data })) give(notice);
}

interface Resumed {
  readonly what: string;
  readonly saved: Checkpoint;
  readonly report: readonly CarriedTensor[];
}

async function startTrainer(
  config: RunConfig,
  dataset: Dataset,
  resumed: Resumed | undefined,
): Promise<Trainer> {
  const plan = planRun(config);
  const module = compileKernels(config.mode);
  const memory = createArena(plan.layout);
  fillArena(plan, memory, dataset);
  const tensors = stateTensors(plan, memory);
  const epochSums = typedView(memory, plan.layout.get('epoch.sums'), 'f64');
  if (resumed !== undefined) {
    restoreTensors(tensors, savedTensors(resumed.what, tensors, resumed.saved));
    epochSums.set(resumed.saved.counters.epochSums);
  }
  const words = typedView(memory, plan.layout.get('control'), 'i32');
  const gang = await startGang<TrainApi, TrainData>({
    workers: config.workers,
    entry: createRequire(import.meta.url).resolve('#workers/train.js'),
    dataOf: () => ({ config, memory, module }),
    words,
    layerNames: layerNames(plan),
  });
  const { step, epochs } = resumed?.saved.counters ?? { step: 0, epochs: 0 };
  const state = { tensors, epochSums, step, epochs, conversion: resumed?.report ?? [] };
  return new Run({ plan, dataset, memory, words, gang, ...state });
}
