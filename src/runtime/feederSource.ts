// What a feeder reads from a split: the chunks of each window, in training order or in sample
// order, and the checks that they must pass. Everything but the split itself is plain data, so that
// a feeder can run on any thread.

import { UsageError } from '../base/errors.ts';
import type { ChunkedSplit } from '../data/chunked/chunkedDataset.ts';
import { chunkOrder } from '../data/chunked/windows.ts';
import { checkSplit, type DataFields } from '../data/dataset.ts';
import type { StoredSplit } from '../data/stored/storedSamples.ts';
import type { LossSpec } from '../nn/specs/losses.ts';
import type { RunConfig } from '../plan/config.ts';
import { checkSplitTargets } from '../plan/lossFit.ts';
import type { FeederSource } from './feeder.ts';

/** What a feeder needs besides the split that it reads. */
export interface FeederPlan {
  /** Names the split in error messages. */
  readonly name: string;
  readonly data: DataFields;
  readonly stored: StoredSplit;
  /** `shuffled`: every epoch in training order; `inOrder`: all samples once, in order. */
  readonly order: 'shuffled' | 'inOrder';
  readonly run: Pick<RunConfig, 'seed' | 'shuffle' | 'timeoutMs'>;
  /** The losses that the targets have to fit. */
  readonly losses: readonly LossSpec[];
}

/** A chunk may take this share of the workers' timeout, so that the error that names the chunk
 * comes before theirs. */
const PATIENCE_SHARE = 0.5;

/** Binds a plan to its split. */
export function feederSource(plan: FeederPlan, split: ChunkedSplit): FeederSource {
  const { name, stored, run } = plan;
  return {
    split,
    name,
    stored: { ...stored, feed: stored.feed! },
    patienceMs: Math.max(1, run.timeoutMs * PATIENCE_SHARE),
    ...(plan.order === 'shuffled' ? shuffledWindows(plan, split) : orderedWindows(plan)),
    check(what, { inputs, targets, weights }, count) {
      if ((weights !== undefined) !== (split.isWeighted === true)) {
        const [given, allowed] = split.isWeighted ? ['none', 'weights'] : ['weights', 'none'];
        throw new UsageError({ what: `weights of ${what}`, given, allowed });
      }
      const samples = { count, inputs, targets, ...(weights !== undefined && { weights }) };
      checkSplit(what, plan.data, samples);
      for (const loss of plan.losses) {
        checkSplitTargets(loss, `of ${what}`, plan.data.task, samples);
      }
    },
  };
}

type Windows = Pick<FeederSource, 'endWindow' | 'chunksOf'>;

/** The windows of all epochs, in training order. */
function shuffledWindows({ stored, run }: FeederPlan, { inOrder }: ChunkedSplit): Windows {
  const { count: countSamples, chunkSamples, feed } = stored;
  const { countWindows, windowSamples } = feed!;
  const { seed, shuffle } = run;
  const chunks = windowSamples / chunkSamples;
  let ordered = -1;
  let order: Int32Array = new Int32Array();
  return {
    endWindow: Infinity,
    chunksOf(window) {
      const epoch = Math.floor(window / countWindows);
      if (ordered !== epoch) {
        order = chunkOrder({ countSamples, chunkSamples, seed, epoch, shuffle, inOrder });
        ordered = epoch;
      }
      const first = (window % countWindows) * chunks;
      return [...order.subarray(first, first + chunks)];
    },
  };
}

/** The windows of one pass over a split, in order. */
function orderedWindows({ stored }: FeederPlan): Windows {
  const { count, chunkSamples, feed } = stored;
  const chunks = feed!.windowSamples / chunkSamples;
  const total = Math.ceil(count / chunkSamples);
  return {
    endWindow: feed!.countWindows,
    chunksOf: (window) =>
      Array.from({ length: Math.min(chunks, total - window * chunks) }, (_, i) => {
        return window * chunks + i;
      }),
  };
}
