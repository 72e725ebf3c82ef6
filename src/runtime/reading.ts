// Which thread reads the splits of a run ahead of its workers. Functions of a program are called on
// the main thread, where they live. Packed sets are read by a thread of their own, so that training
// goes on while the main thread is busy. If that thread ends unasked, what it has read counts as
// lost, and the call that needs it throws.

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

/** Reads one split ahead. */
export interface Reader {
  /** Makes sure that windows from this one on are in memory or come. To be called while no worker
   * reads, of which there are `workers`, and to be awaited before one does. */
  begin(window: number, workers: number): Promise<void>;
  /** Why the window that comes next could not be read. */
  failure(): Promise<Error | undefined>;
}

export interface Reading {
  /** Of each split, in their order. */
  readonly readers: readonly Reader[];
  /** Reads no more. */
  close(): Promise<void>;
}

/** Begins to read splits, where there are files in a new thread. */
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
