// Elastic runs whose threads are terminated from outside, at any time.

import type { Worker } from 'node:worker_threads';
import { RandomStream } from '../../../src/base/random.ts';
import { synthetic } from '../../../src/data/named/synthetic.ts';
import { namedModel } from '../../../src/nn/models/models.ts';
import { adam } from '../../../src/optim/optimizer.ts';
import { Trainer } from '../../../src/runtime/trainer.ts';

const data = synthetic({ train: 200, test: 40, shape: [8, 8, 3], classes: 5, seed: 3 });
export const WORKERS = 4;
const EPOCHS = 12;
/** Two deaths are at most so far apart. */
const MOST_MS = 150;
/** Above the purposes of base/random.ts. */
const PURPOSE = 900;

/** Collects the threads that are started meanwhile; those that have ended are removed. */
export async function withThreads<T>(use: (alive: readonly Worker[]) => Promise<T>): Promise<T> {
  const alive: Worker[] = [];
  const listen = (thread: Worker): void => {
    alive.push(thread);
    thread.once('exit', () => alive.splice(alive.indexOf(thread), 1));
  };
  process.on('worker', listen);
  try {
    return await use(alive);
  } finally {
    process.off('worker', listen);
  }
}

/** An elastic trainer. Its worst case is a net with many synchronizations. */
export function startElastic(): Promise<Trainer> {
  return Trainer.start({
    model: namedModel('refnet', { inputShape: data.inputShape, classes: 5 }),
    norm: { to: 'sync' },
    data,
    optimizer: adam({ lr: 0.01 }),
    replicas: 4,
    globalBatch: 16,
    workers: WORKERS,
    elastic: true,
    onNotice: () => {},
  });
}

/** Trains while the given number of threads is terminated, and returns the hash of the weights and
 * the number of remaining workers. */
export function trainKilled(
  kills: number,
  seed: number,
): Promise<{ readonly hash: string; readonly workers: number }> {
  const random = new RandomStream().reset(seed, PURPOSE, 0, kills);
  return withThreads(async (alive) => {
    const trainer = await startElastic();
    let left = kills;
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      timer = left === 0 ? undefined : setTimeout(kill, random.nextUniform() * MOST_MS);
    };
    const kill = (): void => {
      if (alive.length > 0) {
        void alive[random.nextBelow(alive.length)]!.terminate();
        left--;
      }
      wait();
    };
    wait();
    try {
      for await (const _ of trainer.fit({ epochs: EPOCHS }));
      while (left > 0) await trainer.evaluate();
      await trainer.preciseBatchNorm({ batches: 8 });
      return { hash: trainer.weightsHash(), workers: trainer.workers };
    } finally {
      clearTimeout(timer);
      await trainer.close();
    }
  });
}
