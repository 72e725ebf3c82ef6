// The results of one training, split over replicas and workers.

import type { Metrics } from '../../src/observe/metric.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

export type Split = readonly [replicas: number, workers: number];

export interface Result {
  readonly hash: string;
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly metrics: Metrics<(typeof METRICS)[number]>;
}

const METRICS = ['confusion', 'f1', 'top2'] as const;

/** One epoch, and an evaluation. */
export async function resultOf(options: TrainerOptions): Promise<Result> {
  const trainer = await Trainer.start({ onNotice() {}, ...options });
  try {
    let trainLoss = Number.NaN;
    for await (const { loss } of trainer.fit({ epochs: 1 })) trainLoss = loss;
    const hasClasses = options.data.task.kind !== 'regression';
    const asked = hasClasses ? { metrics: METRICS } : {};
    const { loss: testLoss, metrics } = await trainer.evaluate('test', asked);
    return { hash: trainer.weightsHash(), trainLoss, testLoss, metrics };
  } finally {
    await trainer.close();
  }
}

export async function resultsOf(
  options: TrainerOptions,
  splits: readonly Split[],
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const [replicas, workers] of splits) {
    results.push(await resultOf({ ...options, replicas, workers }));
  }
  return results;
}
