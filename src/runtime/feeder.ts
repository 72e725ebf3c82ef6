// Reads the chunks of a split ahead of the workers, on the thread that creates the feeder; Node's
// own threads do the file reads and checksums. A window is read once the window two before it is no
// longer needed. If a chunk cannot be read, the call that needs it fails, not earlier ones.

import { RunError } from '../base/errors.ts';
import { afterRunning } from '../base/patience.ts';
import { type ChunkedSplit, type SampleChunk, samplesIn } from '../data/chunked/chunkedDataset.ts';
import {
  FAILED_WORD,
  type Feed,
  NEEDS_WORD,
  NEWS_WORD,
  neededWord,
  READ_WORD,
  ranksOf,
  WINDOWS_HELD,
} from '../data/stored/feed.ts';
import type { StoredSplit } from '../data/stored/storedSamples.ts';

export interface FeederSource {
  readonly split: ChunkedSplit;
  /** Names the split in error messages. */
  readonly name: string;
  readonly stored: StoredSplit & { readonly feed: Feed };
  /** The chunks of a window. */
  chunksOf(window: number): readonly number[];
  /** The window to stop at; Infinity for training, which goes on through any number of epochs. */
  readonly endWindow: number;
  /** Throws a UsageError if a chunk is not what the run needs; `what` names the chunk. */
  check(what: string, chunk: SampleChunk, count: number): void;
  /** The time limit for reading a chunk. */
  readonly patienceMs: number;
}

/** Greater than the number of any window. */
const NEVER = 2 ** 31 - 1;
/** Chunks read concurrently. */
const AT_ONCE = 2;
/** How long to wait for news from workers before looking again. */
const LOOK_MS = 1000;

/** Reads a split ahead of the workers. */
export class Feeder {
  /** Why the next window could not be read. */
  failure: Error | undefined;
  private readonly source: FeederSource;
  /** Windows below this one have been read; those from `held` on are still in memory. */
  private read = 0;
  private held = 0;
  private reading: AbortController | undefined;

  constructor(source: FeederSource) {
    this.source = source;
  }

  /** Ensures that windows from this one on are in memory or being read. Call it while none of the
   * `workers` workers is reading. */
  begin(window: number, workers: number): void {
    const { words } = this.source.stored.feed;
    const isGoingOn = this.reading !== undefined && this.failure === undefined;
    const isHeld = window >= this.held && window <= this.read;
    for (let rank = 0; rank < ranksOf(words); rank++) {
      Atomics.store(words, neededWord(rank), rank < workers ? window : NEVER);
    }
    Atomics.add(words, NEEDS_WORD, 1);
    Atomics.notify(words, NEEDS_WORD);
    if (isGoingOn && isHeld) return;
    this.close();
    this.failure = undefined;
    this.read = window;
    this.held = window;
    Atomics.store(words, FAILED_WORD, 0);
    Atomics.store(words, READ_WORD, window);
    const reading = new AbortController();
    this.reading = reading;
    void this.readOn(reading.signal).catch((error: unknown) => {
      if (reading.signal.aborted) return;
      this.failure = error instanceof Error ? error : new RunError({ reason: `${error}` });
      this.tell(FAILED_WORD, 1);
    });
  }

  /** Stops reading. */
  close(): void {
    this.reading?.abort();
    this.reading = undefined;
  }

  private async readOn(signal: AbortSignal): Promise<void> {
    const { endWindow, stored } = this.source;
    const { words, countWindows } = stored.feed;
    const slots = stored.slots.length / (countWindows === 1 ? 1 : WINDOWS_HELD);
    while (this.read < endWindow) {
      const window = this.read;
      if (!(await this.hasRoom(window, signal))) return;
      this.held = Math.max(this.held, window - WINDOWS_HELD + 1);
      const first = countWindows === 1 ? 0 : (window % WINDOWS_HELD) * slots;
      const chunks = [...this.source.chunksOf(window).entries()];
      const readNext = async (): Promise<void> => {
        for (let next = chunks.shift(); next !== undefined; next = chunks.shift()) {
          const [place, chunk] = next;
          await this.readChunk(chunk, first + place, signal);
          if (signal.aborted) return;
          this.tell(NEWS_WORD, Atomics.load(words, NEWS_WORD) + 1);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, readNext));
      if (signal.aborted) return;
      // A split of one window stays in memory.
      this.read = countWindows === 1 ? NEVER : window + 1;
      this.tell(READ_WORD, this.read);
    }
  }

  /** Waits until the workers have advanced far enough for a window's slots to be free. Returns
   * false if reading has stopped. */
  private async hasRoom(window: number, signal: AbortSignal): Promise<boolean> {
    const { words } = this.source.stored.feed;
    for (;;) {
      if (signal.aborted) return false;
      const news = Atomics.load(words, NEEDS_WORD);
      let needed = NEVER;
      for (let rank = 0; rank < ranksOf(words); rank++) {
        needed = Math.min(needed, Atomics.load(words, neededWord(rank)));
      }
      if (window - needed < WINDOWS_HELD) return true;
      // This wait does not keep the process alive.
      await Atomics.waitAsync(words, NEEDS_WORD, news, LOOK_MS).value;
    }
  }

  /** Reads a chunk into a slot. */
  private async readChunk(index: number, slot: number, signal: AbortSignal): Promise<void> {
    const { split, stored, name } = this.source;
    const what = split.nameOf?.(index) ?? `chunk ${index} of ${name}`;
    const chunk = await this.inTime(what, split.read(index, signal));
    if (signal.aborted) return;
    this.source.check(what, chunk, samplesIn(split, index));
    const { inputs, targets, weights } = stored.slots[slot]!;
    inputs.set(chunk.inputs);
    targets.set(chunk.targets);
    if (weights !== undefined) weights.set(chunk.weights!);
    stored.slotOf[index] = slot;
  }

  /** Throws a RunError if reading takes too long. */
  private inTime<T>(what: string, reading: Promise<T>): Promise<T> {
    const { patienceMs } = this.source;
    return new Promise((resolve, reject) => {
      const cancel = afterRunning(patienceMs, () => {
        reject(new RunError({ reason: `${what} was not read within ${patienceMs} ms.` }));
      });
      Promise.resolve(reading).then(resolve, reject).finally(cancel);
    });
  }

  /** Stores a word and wakes the threads that wait for news. */
  private tell(word: number, value: number): void {
    const { words } = this.source.stored.feed;
    Atomics.store(words, word, value);
    if (word !== NEWS_WORD) Atomics.add(words, NEWS_WORD, 1);
    Atomics.notify(words, NEWS_WORD);
  }
}
