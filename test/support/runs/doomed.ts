// Trainers in which one worker dies or hangs in a given way, at a given moment. Shared by the tests
// of faults and by campaigns.

import { readdirSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { TrainingData } from '../../../src/data/chunked/chunkedDataset.ts';
import { synthetic } from '../../../src/data/named/synthetic.ts';
import { sequential } from '../../../src/nn/models/compose.ts';
import { custom } from '../../../src/nn/specs/custom.ts';
import { flatten } from '../../../src/nn/specs/flatten.ts';
import { linear } from '../../../src/nn/specs/linear.ts';
import { batchNorm } from '../../../src/nn/specs/norms.ts';
import { sgd } from '../../../src/optim/optimizer.ts';
import { Trainer } from '../../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../../src/runtime/trainerOptions.ts';

/** How a worker can die. `terminate` comes from outside, while the worker loops. */
export const DEATHS = ['throw', 'throwObject', 'exit', 'float', 'terminate'] as const;
export type Death = (typeof DEATHS)[number];
/** What a trainer can be doing meanwhile. */
export const MOMENTS = ['fit', 'evaluate', 'predict', 'preciseBatchNorm'] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Doom {
  readonly way: Death | 'loop' | 'none';
  readonly moment: Moment | 'start';
  readonly workers: number;
  readonly victim: number;
  readonly timeoutMs?: number;
  readonly startTimeoutMs?: number;
  /** A file that is not there: the victim dies only once. */
  readonly once?: string;
  readonly elastic?: boolean;
  readonly onNotice?: (notice: string) => void;
  /** Default {@link doomedData}. */
  readonly data?: TrainingData;
}

const LAYER = new URL('../jobs/fatalLayer.mjs', import.meta.url);
export const doomedData = synthetic({ train: 32, test: 16, shape: [3, 3, 1], classes: 3 });

/** Starts a trainer with a worker that will die or hang. Each worker has two replicas. */
export function startDoomed(doom: Doom): Promise<Trainer> {
  const { way, moment, workers, victim, timeoutMs, startTimeoutMs, once } = doom;
  const { elastic, onNotice, data = doomedData } = doom;
  const trains = moment === 'fit' || moment === 'preciseBatchNorm';
  const when = moment === 'start' ? 'start' : trains ? 'train' : 'eval';
  const fate = {
    way: way === 'terminate' ? 'loop' : way,
    when,
    replica: 2 * victim,
    ...(once && { once }),
  };
  const model = sequential([flatten(), linear(9, 4), batchNorm(4, { sync: 'all' }), linear(4, 3)]);
  return Trainer.start({
    model: way === 'none' ? model : sequential([custom(LAYER, fate), model]),
    data,
    optimizer: sgd({ lr: 0.1 }),
    replicas: 2 * workers,
    replicaBatch: 4,
    workers,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    ...(elastic !== undefined && { elastic }),
    ...(onNotice !== undefined && { onNotice }),
  } satisfies TrainerOptions<TrainingData>);
}

/** Makes the trainer call what kills the victim. */
export async function meet(trainer: Trainer, moment: Moment): Promise<void> {
  if (moment === 'fit') for await (const _ of trainer.fit({ epochs: trainer.epochs + 1 }));
  else if (moment === 'evaluate') await trainer.evaluate();
  else if (moment === 'predict') await trainer.predict(doomedData.test.inputs);
  else await trainer.preciseBatchNorm({ batches: 2 });
}

/** The error with which a doomed trainer ends, after its threads have gone. A worker that dies of
 * what nobody catches may give its answer first; then the next call fails. */
export async function endOf(doom: Doom & { readonly moment: Moment }): Promise<Error> {
  const threads: Worker[] = [];
  const listen = (thread: Worker): void => {
    threads.push(thread);
  };
  process.on('worker', listen);
  try {
    const trainer = await startDoomed(doom);
    try {
      const met = meet(trainer, doom.moment);
      if (doom.way === 'terminate') void threads[doom.victim]!.terminate();
      await met;
      for (;;) await meet(trainer, doom.moment);
    } catch (error) {
      return error as Error;
    } finally {
      await trainer.close();
    }
  } finally {
    process.off('worker', listen);
  }
}

/** The threads of this process, those of Node included. */
export function countThreads(): number {
  return readdirSync('/proc/self/task').length;
}
