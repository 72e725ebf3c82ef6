// What reads the samples of a run that are read in chunks: a feeder for the training steps, and one
// for the evaluations of each split. Of data in memory there is nothing to read.

import { UsageError } from '../base/errors.ts';
import {
  type ChunkedDataset,
  type ChunkedSplit,
  isChunked,
  isChunkedSplit,
  type SampleChunk,
  type TrainingData,
} from '../data/chunked/chunkedDataset.ts';
import { chunkOrder } from '../data/chunked/windows.ts';
import { checkSplit } from '../data/dataset.ts';
import type { StoredSamples, StoredSplit } from '../data/stored/storedSamples.ts';
import type { RunConfig } from '../plan/config.ts';
import { outputLosses } from '../plan/heads.ts';
import { checkSplitTargets } from '../plan/lossFit.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { SplitName } from '../train/context.ts';
import { isUnreadable } from '../train/feeding.ts';
import { Feeder, type FeederSource } from './feeder.ts';
import type { Team } from './team.ts';

/** Reading the samples of a run. Each is told what is needed before workers are asked. */
export interface Feeds {
  /** Training steps from this one on. */
  train(plan: RunPlan, step: number): void;
  /** Samples of a split, in their order, from this one on. */
  evaluate(plan: RunPlan, split: SplitName, sample: number): void;
  /** Whether a split is read in chunks. */
  isRead(split: SplitName): boolean;
  /** The first chunk of a split that is read in chunks, apart from all that workers need. */
  firstChunk(split: 'train' | 'test'): Promise<SampleChunk> | undefined;
  /** The team, whose calls throw why samples could not be read, and which ends with the feeds. */
  feeding(team: Team): Team;
}

/** A chunk may take this share of what workers wait for: the error that names it comes first. */
const PATIENCE_SHARE = 0.5;

/** Data in memory: nothing is read, and the data that was given is not kept. */
const NO_FEEDS: Feeds = {
  train: () => {},
  evaluate: () => {},
  isRead: () => false,
  firstChunk: () => undefined,
  feeding: (team) => team,
};

/** Binds the feeders of data. */
export function bindFeeds(data: TrainingData, samples: StoredSamples, config: RunConfig): Feeds {
  return isChunked(data) ? bindChunkFeeds(data, samples, config) : NO_FEEDS;
}

function bindChunkFeeds(data: ChunkedDataset, samples: StoredSamples, config: RunConfig): Feeds {
  const test = isChunkedSplit(data.test) ? data.test : undefined;
  const splits = { train: data.train, test, validation: undefined };
  const bind = (
    name: 'train' | 'test',
    stored: StoredSplit,
    order: 'shuffled' | 'inOrder',
  ): Feeder | undefined => {
    const split = splits[name];
    if (split === undefined) return undefined;
    const source = { data, name: `${name} of ${data.name}`, split, stored, config };
    return new Feeder(order === 'shuffled' ? shuffledSource(source) : orderedSource(source));
  };
  const training = bind('train', samples.train, 'shuffled');
  const evaluating = {
    train: bind('train', samples.evaluated.train, 'inOrder'),
    test: bind('test', samples.evaluated.test, 'inOrder'),
    validation: undefined,
  };
  const feeders = [training, ...Object.values(evaluating)].filter((one) => one !== undefined);
  return {
    train(plan, step) {
      const { windowSamples, countWindows } = samples.train.feed!;
      const { stepsPerEpoch } = plan;
      const position = (step % stepsPerEpoch) * config.globalBatch;
      const epoch = Math.floor(step / stepsPerEpoch);
      const window = epoch * countWindows + Math.floor(position / windowSamples);
      training?.begin(window, plan.config.workers);
    },
    evaluate(plan, split, sample) {
      const { windowSamples = 1 } = samples.evaluated[split]?.feed ?? {};
      evaluating[split]?.begin(Math.floor(sample / windowSamples), plan.config.workers);
    },
    isRead: (split) => splits[split] !== undefined,
    firstChunk: (split) => splits[split]?.read(0, new AbortController().signal),
    feeding: (team) => fedTeam(team, feeders),
  };
}

interface BoundSource {
  readonly data: ChunkedDataset;
  readonly name: string;
  readonly split: ChunkedSplit;
  readonly stored: StoredSplit;
  readonly config: RunConfig;
}

/** The windows of epoch after epoch. */
function shuffledSource(source: BoundSource): FeederSource {
  const { split, stored, config } = source;
  const { countWindows, windowSamples } = stored.feed!;
  const { seed, shuffle } = config;
  const chunks = windowSamples / stored.chunkSamples;
  const { count: countSamples, chunkSamples } = split;
  let ordered = -1;
  let order: Int32Array = new Int32Array();
  return {
    ...sourceOf(source),
    endWindow: Infinity,
    chunksOf(window) {
      const epoch = Math.floor(window / countWindows);
      if (ordered !== epoch) {
        order = chunkOrder({ countSamples, chunkSamples, seed, epoch, shuffle });
        ordered = epoch;
      }
      const first = (window % countWindows) * chunks;
      return [...order.subarray(first, first + chunks)];
    },
  };
}

/** The windows of a split, once. */
function orderedSource(source: BoundSource): FeederSource {
  const { count, chunkSamples, feed } = source.stored;
  const chunks = feed!.windowSamples / chunkSamples;
  const total = Math.ceil(count / chunkSamples);
  return {
    ...sourceOf(source),
    endWindow: feed!.countWindows,
    chunksOf: (window) =>
      Array.from({ length: Math.min(chunks, total - window * chunks) }, (_, i) => {
        return window * chunks + i;
      }),
  };
}

function sourceOf(source: BoundSource): Omit<FeederSource, 'endWindow' | 'chunksOf'> {
  const { data, name, split, stored, config } = source;
  return {
    split,
    name,
    stored: { ...stored, feed: stored.feed! },
    patienceMs: Math.max(1, config.timeoutMs * PATIENCE_SHARE),
    check(what, { inputs, targets, weights }, count) {
      if ((weights !== undefined) !== (split.isWeighted === true)) {
        const [given, allowed] = split.isWeighted ? ['none', 'weights'] : ['weights', 'none'];
        throw new UsageError({ what: `weights of ${what}`, given, allowed });
      }
      const samples = { count, inputs, targets, ...(weights !== undefined && { weights }) };
      checkSplit(what, data, samples);
      for (const { loss } of outputLosses(config)) {
        checkSplitTargets(loss, `of ${what}`, data.task, samples);
      }
    },
  };
}

function fedTeam(team: Team, feeders: readonly Feeder[]): Team {
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
        const failed = feeders.find(({ failure }) => failure !== undefined);
        throw (isUnreadable(error) ? failed?.failure : undefined) ?? error;
      }
    },
    async close() {
      for (const feeder of feeders) feeder.close();
      await team.close();
    },
  };
}
