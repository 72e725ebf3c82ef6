// The feeders that read a run's chunked samples: one for training steps, and one for evaluations of
// each split. reading.ts decides which thread they run on. Data in memory needs no feeder.

import {
  type ChunkedDataset,
  type ChunkedSplit,
  isChunked,
  isChunkedSplit,
  type SampleChunk,
  type TrainingData,
} from '../data/chunked/chunkedDataset.ts';
import type { DataFields } from '../data/dataset.ts';
import type { StoredSamples, StoredSplit } from '../data/stored/storedSamples.ts';
import type { RunConfig } from '../plan/config.ts';
import { outputLosses } from '../plan/heads.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { SplitName } from '../train/context.ts';
import { isUnreadable } from '../train/feeding.ts';
import type { FeederPlan } from './feederSource.ts';
import type { Use } from './gang.ts';
import { openReading, type Reader, type Reading, type ReadSplit } from './reading.ts';
import type { Team } from './team.ts';
import type { TrainApi } from './trainWorker.ts';

/** Reads the samples of a run. `train` and `evaluate` announce what the workers will need; call the
 * workers once the promise is fulfilled ({@link whenBegun}). */
export interface Feeds {
  /** Reads for training steps from this one on. */
  train(plan: RunPlan, step: number): Promise<void>;
  /** Reads the samples of a split in order, from this one on. */
  evaluate(plan: RunPlan, split: SplitName, sample: number): Promise<void>;
  /** Whether a split is read in chunks. */
  isRead(split: SplitName): boolean;
  /** Reads the first chunk of a chunked split, independently of what the workers need. */
  firstChunk(split: 'train' | 'test'): Promise<SampleChunk | undefined>;
  /** Wraps the team: its calls throw the reason why samples could not be read, and closing it
   * closes the feeds. */
  feeding(team: Team): Team;
  /** Stops reading. */
  close(): Promise<void>;
}

/** For data in memory: nothing is read, and the given data is not retained. */
const NO_FEEDS: Feeds = {
  train: async () => {},
  evaluate: async () => {},
  isRead: () => false,
  firstChunk: async () => undefined,
  feeding: (team) => team,
  close: async () => {},
};

/** Creates the feeders for data. */
export function bindFeeds(data: TrainingData, samples: StoredSamples, config: RunConfig): Feeds {
  return isChunked(data) ? bindChunkFeeds(data, samples, config) : NO_FEEDS;
}

/** Delays a call to the workers until reading the data it needs has begun. */
export function whenBegun<T>(begin: () => Promise<void>, use: Use<TrainApi, T>): Use<TrainApi, T> {
  let begun: Promise<void> | undefined;
  return async (api, rank) => {
    if (rank === 0) begun = begin();
    await begun;
    return use(api, rank);
  };
}

function bindChunkFeeds(data: ChunkedDataset, samples: StoredSamples, config: RunConfig): Feeds {
  const { train } = data;
  const test = isChunkedSplit(data.test) ? data.test : undefined;
  const splits = { train, test, validation: undefined };
  const plan = (
    name: 'train' | 'test',
    stored: StoredSplit,
    order: FeederPlan['order'],
  ): FeederPlan => {
    const losses = outputLosses(config).map(({ loss }) => loss);
    const { seed, shuffle, timeoutMs } = config;
    const run = { seed, shuffle, timeoutMs };
    return { name: `${name} of ${data.name}`, data: fieldsOf(data), stored, order, run, losses };
  };
  const { evaluated } = samples;
  const asked: readonly ReadSplit[] = [
    { split: train, plan: plan('train', samples.train, 'shuffled') },
    { split: train, plan: plan('train', evaluated.train, 'inOrder') },
    ...(test === undefined ? [] : [{ split: test, plan: plan('test', evaluated.test, 'inOrder') }]),
  ];
  const reading = openReading(asked, config);
  const [training, ...others] = reading.readers;
  const evaluating = { train: others[0], test: others[1], validation: undefined };
  return {
    async train(plan, step) {
      const { windowSamples, countWindows } = samples.train.feed!;
      const { stepsPerEpoch } = plan;
      const position = (step % stepsPerEpoch) * config.globalBatch;
      const epoch = Math.floor(step / stepsPerEpoch);
      const window = epoch * countWindows + Math.floor(position / windowSamples);
      await training!.begin(window, plan.config.workers);
    },
    async evaluate(plan, split, sample) {
      const { windowSamples = 1 } = evaluated[split]?.feed ?? {};
      await evaluating[split]?.begin(Math.floor(sample / windowSamples), plan.config.workers);
    },
    isRead: (split) => splits[split] !== undefined,
    firstChunk: async (split) => splits[split] && firstOf(splits[split]),
    feeding: (team) => fedTeam(team, reading),
    close: reading.close,
  };
}

async function firstOf(split: ChunkedSplit): Promise<SampleChunk> {
  const reading = new AbortController();
  try {
    return await split.read(0, reading.signal);
  } finally {
    reading.abort();
  }
}

/** The fields of the data, without any that the program added. */
function fieldsOf({ name, inputShape, inputType, task, mean, std }: DataFields): DataFields {
  return { name, inputShape, inputType, task, mean, std };
}

function fedTeam(team: Team, { readers, close }: Reading): Team {
  return {
    get plan() {
      return team.plan;
    },
    get words() {
      return team.words;
    },
    async callAll(use, regained) {
      try {
        return await team.callAll(use, regained);
      } catch (error) {
        throw (isUnreadable(error) ? await failureOf(readers) : undefined) ?? error;
      }
    },
    async close() {
      await Promise.all([close(), team.close()]);
    },
  };
}

/** Why samples could not be read. */
async function failureOf(readers: readonly Reader[]): Promise<Error | undefined> {
  const failures = await Promise.all(readers.map((reader) => reader.failure()));
  return failures.find((failure) => failure !== undefined);
}
