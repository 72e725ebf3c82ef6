// The thread that reads packed sets for a run: its feeders read ahead by themselves and share all
// with the workers by memory; main tells them where to begin.

import { type PackedOrigin, packedSplit } from '../data/images/packedSplit.ts';
import { type GangTask, serveControl } from './control.ts';
import { Feeder } from './feeder.ts';
import { type FeederPlan, feederSource } from './feederSource.ts';
import { type PackedError, packError } from './thrown.ts';

/** A split that the thread reads. */
export interface ThreadFeeder {
  readonly origin: PackedOrigin;
  readonly plan: FeederPlan;
}

/** What the thread is started with. */
export interface ReadData {
  readonly feeders: readonly ThreadFeeder[];
}

/** What the thread offers, for each of its feeders by number. */
export interface ReadingApi {
  /** As {@link Feeder.begin}. */
  begin(feeder: number, window: number, workers: number): void;
  /** As {@link Feeder.failure}. */
  failure(feeder: number): PackedError | undefined;
}

/** The whole life of the thread. */
export function serveReading(task: GangTask<ReadData>): Promise<number> {
  return serveControl<ReadData, ReadingApi>(task, ({ data }) => {
    const feeders = data.feeders.map(({ origin, plan }) => {
      return new Feeder(feederSource(plan, packedSplit(origin)));
    });
    return {
      begin: (feeder, window, workers) => feeders[feeder]!.begin(window, workers),
      failure(feeder) {
        const { failure } = feeders[feeder]!;
        return failure && packError(failure);
      },
    };
  });
}
