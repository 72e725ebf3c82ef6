// A run on real threads with its arena open to the test: what Trainer.start makes, with the control
// words, the epoch's sums and the state at hand.

import { fillArena, type StateTensor, stateTensors } from '../../../src/checkpoint/state.ts';
import { describeDataset } from '../../../src/data/identity.ts';
import { storeSamples } from '../../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../../src/kernels/load.ts';
import { createArena, viewOf } from '../../../src/memory/arena.ts';
import { planRun } from '../../../src/plan/plan.ts';
import { publishEpoch } from '../../../src/reduce/epochSums.ts';
import { bindFeeds } from '../../../src/runtime/feeds.ts';
import { Run } from '../../../src/runtime/run.ts';
import { fixedTeam, startWorkers } from '../../../src/runtime/team.ts';
import { resolveOptions, type TrainerOptions } from '../../../src/runtime/trainerOptions.ts';
import type { RunningTrainer } from '../../../src/runtime/trainerTypes.ts';
import {
  arrivalWord,
  type ControlWords,
  progressWords,
  readWorldSize,
} from '../../../src/sync/words.ts';

export interface OpenRun {
  readonly trainer: RunningTrainer;
  readonly words: ControlWords;
  /** Where the sums of the running epoch are published. */
  readonly published: Float64Array;
  /** Parameters, buffers and optimizer state, in the arena itself. */
  readonly tensors: readonly StateTensor[];
}

/** Starts a run and closes it whatever `use` does. Custom layers are not loaded. */
export async function withOpenRun<T>(
  options: TrainerOptions,
  use: (run: OpenRun) => Promise<T>,
): Promise<T> {
  const run = await startOpen(options);
  try {
    return await use(run);
  } finally {
    await run.trainer.close();
  }
}

/** How often the members of a run have synchronized. */
export function countSyncs({ words }: OpenRun): number {
  return Atomics.load(words, arrivalWord(0, readWorldSize(words)));
}

async function startOpen(options: TrainerOptions): Promise<OpenRun> {
  const config = resolveOptions(options);
  const plan = planRun(config);
  const module = compileKernels(config.mode);
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(options.data, config);
  const { control } = plan.regions;
  const words = viewOf(memory, control.words);
  const epochSums = viewOf(memory, control.epochSums);
  const published = viewOf(memory, control.epochPublished);
  publishEpoch(published, progressWords(words), epochSums, 0);
  const setup = { memory, module, samples, startTimeoutMs: undefined };
  const team = fixedTeam(plan, words, await startWorkers(plan, words, setup));
  const tensors = stateTensors(plan, memory);
  const feeds = bindFeeds(options.data, samples, config);
  const trainer = new Run({
    ...{ runId: 'test', team, data: describeDataset(options.data), memory, samples, feeds },
    ...{ tensors, epochSums, published, step: 0, epochs: 0, hasOwnLength: false, conversion: [] },
    ...{ network: undefined, monitored: {}, bestWeights: undefined },
    notify: () => {},
  });
  return { trainer, words, published, tensors };
}
