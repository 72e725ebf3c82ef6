// The thread that reads packed sets for a run. The main thread tells its feeders where to begin;
// they read ahead on their own and communicate with the workers through shared memory.

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

/** The thread's API. Feeders are identified by index. */
export interface ReadingApi {
  /** See {@link Feeder.begin}. */
  begin(feeder: number, window: number, workers: number): void;
  /** See {@link Feeder.failure}. */
  failure(feeder: number): PackedError | undefined;
}

/** Runs the thread from start to end. */
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
