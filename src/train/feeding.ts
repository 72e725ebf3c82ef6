// A worker's side of data that is read in chunks: it announces which windows of chunks a batch
// needs, which also releases earlier ones, and waits until they are in memory. Reading ahead makes
// such waits rare. A wait ends when the chunk arrives, on an abort, or when nothing has been read
// within the run's timeout.

import { RunError } from '../base/errors.ts';
import { sliceMsOf } from '../base/patience.ts';
import {
  FAILED_WORD,
  type Feed,
  type FeedWords,
  NEEDS_WORD,
  NEWS_WORD,
  neededWord,
  READ_WORD,
} from '../data/stored/feed.ts';
import { isAborted } from '../sync/abort.ts';
import { type ControlWords, rankWord, STATE, State } from '../sync/words.ts';
import type { WorkerContext } from './context.ts';

/** The reason that a worker stops if a chunk cannot be read. */
const UNREADABLE = 'a chunk of the data cannot be read.';

/** Whether a run failed because a chunk cannot be read. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof RunError && error.failure.reason.includes(UNREADABLE);
}

/** Waits for the samples at positions [from, end) of an epoch. */
export type Need = (epoch: number, from: number, end: number) => void;

/** Binds a feed to a worker. */
export function bindNeed(context: WorkerContext, feed: Feed): Need {
  const { words: control, worker, member, plan } = context;
  const { words, windowSamples, countWindows } = feed;
  const ownWord = neededWord(worker.rank);
  const stateWord = rankWord(member.rank) + STATE;
  return (epoch, from, end) => {
    const first = epoch * countWindows + Math.floor(from / windowSamples);
    const last = epoch * countWindows + Math.floor((end - 1) / windowSamples);
    if (Atomics.load(words, ownWord) !== first) {
      Atomics.store(words, ownWord, first);
      Atomics.add(words, NEEDS_WORD, 1);
      Atomics.notify(words, NEEDS_WORD);
    }
    if (Atomics.load(words, READ_WORD) > last) return;
    // Tells the main thread that the worker is not stalled.
    Atomics.store(control, stateWord, State.waiting);
    awaitWindow(words, last, control, plan.config.timeoutMs);
    Atomics.store(control, stateWord, State.running);
  };
}

function awaitWindow(
  words: FeedWords,
  window: number,
  control: ControlWords,
  timeoutMs: number,
): void {
  const sliceMs = sliceMsOf(timeoutMs);
  let waitedMs = 0;
  let news = Atomics.load(words, NEWS_WORD);
  while (Atomics.load(words, READ_WORD) <= window) {
    if (isAborted(control)) throw new RunError({ reason: 'the run was aborted.' });
    if (Atomics.load(words, FAILED_WORD) !== 0) {
      throw new RunError({ reason: UNREADABLE });
    }
    if (waitedMs >= timeoutMs) {
      throw new RunError({ reason: `no chunk of the data was read within ${timeoutMs} ms.` });
    }
    const startMs = performance.now();
    Atomics.wait(words, NEWS_WORD, news, sliceMs);
    const now = Atomics.load(words, NEWS_WORD);
    waitedMs = now === news ? waitedMs + Math.min(performance.now() - startMs, sliceMs) : 0;
    news = now;
  }
}
