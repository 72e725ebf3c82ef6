// Decides which thread reads a run's splits ahead of its workers. A program's read functions run on
// the main thread. Packed sets are read on a separate thread, so that training continues while the
// main thread is busy. If that thread ends unexpectedly, everything it has read counts as lost, and
// the call that needs it throws.

import { RunError } from '../base/errors.ts';
import { ownFile } from '../base/ownFile.ts';
import { messageOf } from '../base/showError.ts';
import type { ChunkedSplit } from '../data/chunked/chunkedDataset.ts';
import { packedOrigin } from '../data/images/packedSplit.ts';
import { loseFeed } from '../data/stored/feed.ts';
import type { RunConfig } from '../plan/config.ts';
import { controlWordCount, initControlWords } from '../sync/words.ts';
import { Feeder } from './feeder.ts';
import { type FeederPlan, feederSource } from './feederSource.ts';
import { startGang } from './gang.ts';
import type { ReadData, ReadingApi, ThreadFeeder } from './readingThread.ts';
import { unpackError } from './thrown.ts';

/** A split that a run reads. */
export interface ReadSplit {
  readonly split: ChunkedSplit;
  readonly plan: FeederPlan;
}

/** Reads one split ahead of the workers. */
export interface Reader {
  /** Ensures that windows from this one on are in memory or being read. Call it while none of the
   * `workers` workers is reading, and await it before one starts. */
  begin(window: number, workers: number): Promise<void>;
  /** Why the next window could not be read. */
  failure(): Promise<Error | undefined>;
}

export interface Reading {
  /** One per split, in the same order. */
  readonly readers: readonly Reader[];
  /** Stops reading. */
  close(): Promise<void>;
}

/** Creates the readers of splits, and starts a thread for those in files. */
export function openReading(
  splits: readonly ReadSplit[],
  { timeoutMs }: Pick<RunConfig, 'timeoutMs'>,
): Reading {
  const inFiles: ThreadFeeder[] = [];
  const places = splits.map(({ split, plan }) => {
    const origin = packedOrigin(split);
    return origin === undefined ? undefined : inFiles.push({ origin, plan }) - 1;
  });
  const thread = inFiles.length === 0 ? undefined : startThread(inFiles, timeoutMs);
  const feeders: Feeder[] = [];
  const readers = splits.map(({ split, plan }, i) => {
    const place = places[i];
    if (place !== undefined) return thread!.reader(place);
    const feeder = new Feeder(feederSource(plan, split));
    feeders.push(feeder);
    return readerHere(feeder);
  });
  return {
    readers,
    async close() {
      for (const feeder of feeders) feeder.close();
      await thread?.close();
    },
  };
}

/** A reader on this thread. */
function readerHere(feeder: Feeder): Reader {
  return {
    begin: async (window, workers) => feeder.begin(window, workers),
    failure: async () => feeder.failure,
  };
}

interface ReadingThread {
  reader(index: number): Reader;
  close(): Promise<void>;
}

function startThread(feeders: readonly ThreadFeeder[], timeoutMs: number): ReadingThread {
  let lost: RunError | undefined;
  const lose = (error: unknown): void => {
    const reason = `the thread that reads the data has ended: ${messageOf(error)}`;
    lost ??= new RunError({ reason }, { cause: error });
    for (const { plan } of feeders) loseFeed(plan.stored.feed!.words);
  };
  const words = new Int32Array(new SharedArrayBuffer(4 * controlWordCount(1)));
  initControlWords(words, 1);
  const starting = startGang<ReadingApi, ReadData>({
    workers: 1,
    entry: ownFile('#workers/read.js'),
    dataOf: () => ({ feeders }),
    words,
    onDeath: lose,
  });
  starting.catch(lose);
  return {
    reader: (index) => ({
      async begin(window, workers) {
        try {
          const gang = await starting;
          await gang.call(0, (api) => api.begin(index, window, workers), { timeoutMs });
        } catch (error) {
          lose(error);
        }
      },
      async failure() {
        try {
          const gang = await starting;
          const packed = await gang.call(0, (api) => api.failure(index), { timeoutMs });
          return packed && unpackError(packed);
        } catch (error) {
          lose(error);
          return lost;
        }
      },
    }),
    async close() {
      const gang = await starting.catch(() => undefined);
      await gang?.close();
    },
  };
}
