// A gang: threads that fail together. Each answers remote calls. If one throws, dies or makes no
// progress, the run is aborted, all others stop waiting, and every open call rejects with the first
// cause. Idle threads do not keep the process alive. close() ends all threads.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MessageChannel, type ResourceLimits } from 'node:worker_threads';
import type { Remote } from 'comlink';
import { assertSame, RunError, type RunFailure, UsageError } from '../base/errors.ts';
import { afterRunning } from '../base/patience.ts';
import { showError } from '../base/showError.ts';
import { type Abort, abortFromMain, isAborted, MAIN_RANK, readAbort } from '../sync/abort.ts';
import { type ControlWords, readPosition, readWorldSize } from '../sync/words.ts';
import { type Control, type GangTask, openControl } from './control.ts';
import { type Crew, openCrew } from './crew.ts';
import { unpackError } from './thrown.ts';
import { watchProgress } from './watch.ts';

/** Options of a gang's threads that do not depend on their task. */
export interface ThreadOptions {
  /** Number of threads; each has a rank. */
  readonly workers: number;
  /** The built file. Its default export takes a GangTask and returns {@link serveControl}'s
   * promise. */
  readonly entry: URL | string;
  /** Limits of each thread's own memory. */
  readonly resourceLimits?: ResourceLimits;
}

export interface GangOptions<Data> extends ThreadOptions {
  /** The threads of {@link startThreads}, with the same options; default: new ones. */
  readonly crew?: Crew | undefined;
  /** What each worker receives. It is posted, so shared memory stays shared and compiled modules
   * are not copied. */
  readonly dataOf: (rank: number) => Data;
  /** The control words of the gang's group, initialized for this gang's workers, or for those of
   * all processes. */
  readonly words: ControlWords;
  /** The rank of the first worker in that group; the others follow. Default 0. */
  readonly firstRank?: number;
  /** Names of layers for errors, by layer id. */
  readonly layerNames?: readonly string[];
  /** Time limit for the workers to get ready. Default: {@link defaultStartTimeoutMs}. */
  readonly startTimeoutMs?: number;
  /** How long a called worker may go without progress while it is not waiting for others. Default:
   * forever, for workers that do not report their position. */
  readonly stallTimeoutMs?: number;
  /** Called once if a thread ends unexpectedly. */
  readonly onDeath?: (error: RunError, rank: number) => void;
}

export interface CallOptions {
  /** Time limit for the worker's answer, after which the run is aborted. Default: forever, since
   * its own waits have timeouts and its death is noticed. */
  readonly timeoutMs?: number;
}

/** Uses one worker's api: `(api) => api.train(1)`. */
export type Use<Api, T> = (api: Remote<Api>, rank: number) => Promise<T>;

/** Calls reject with a UsageError thrown by a worker, otherwise with a RunError that names the rank
 * that failed first. All calls get the same error. A failed gang stays failed. */
export interface Gang<Api> {
  readonly worldSize: number;
  /** The thread of each rank, as `Worker.threadId`. */
  readonly threadIds: readonly number[];
  call<T>(rank: number, use: Use<Api, T>, options?: CallOptions): Promise<T>;
  /** Calls all workers at once; the results are in rank order. */
  callAll<T>(use: Use<Api, T>, options?: CallOptions): Promise<T[]>;
  /** Ends all threads, by termination if they do not respond. Open calls reject. May be called
   * again. */
  close(): Promise<void>;
}

/** Time limit for one thread to get ready on an otherwise idle core: a hundred times what it takes
 * on a quiet machine. */
const START_TIMEOUT_MS = 30_000;
/** Time limit for the rank that aborted the run to send its own, more detailed error. */
const CAUSE_GRACE_MS = 100;
/** Time limit for threads to end by themselves before they are terminated. */
const CLOSE_GRACE_MS = 500;

/** Time limit for this many workers to get ready, since they share the cores. */
export function defaultStartTimeoutMs(workers: number): number {
  return START_TIMEOUT_MS * Math.ceil(workers / availableParallelism());
}

/** Starts the threads of a gang before its memory is filled. The caller must either start that gang
 * or dismiss the threads. */
export function startThreads({ workers, entry, resourceLimits }: ThreadOptions): Promise<Crew> {
  const limits = resourceLimits && { resourceLimits };
  return openCrew({ workers, entry: urlOf(entry), ...limits });
}

/** Starts the threads, all or none, and waits until each is ready. */
export async function startGang<Api, Data = unknown>(
  options: GangOptions<Data>,
): Promise<Gang<Api>> {
  const crew = options.crew ?? (await startThreads(options));
  const threads = new Threads<Api>(options as GangOptions<unknown>, crew);
  try {
    await threads.start();
  } catch (error) {
    await threads.close();
    throw error;
  }
  return {
    worldSize: options.workers,
    threadIds: threads.crew.threadIds as number[],
    call: (rank, use, callOptions) => threads.call(rank, use, callOptions),
    callAll: (use, callOptions) => threads.callAll(use, callOptions),
    close: () => threads.close(),
  };
}

class Threads<Api> {
  readonly crew: Crew;
  private readonly options: GangOptions<unknown>;
  private readonly controls: Control<Api>[] = [];
  /** Number of open calls, by rank. */
  private readonly openCalls: number[];
  /** Functions that reject the open calls. */
  private readonly open = new Set<(error: Error) => void>();
  private stopWatching: (() => void) | undefined;
  private isReady = false;
  private failure: Error | undefined;
  private closed: Promise<void> | undefined;

  constructor(options: GangOptions<unknown>, crew: Crew) {
    this.options = options;
    this.openCalls = Array.from({ length: options.workers }, () => 0);
    this.crew = crew;
    crew.listen((cause, rank) => this.ended(cause, rank));
  }

  async start(): Promise<void> {
    const { workers, dataOf, words } = this.options;
    const timeoutMs = this.options.startTimeoutMs ?? defaultStartTimeoutMs(workers);
    const tasks: Promise<number>[] = [];
    for (let rank = 0; rank < workers; rank++) {
      const { port1, port2 } = new MessageChannel();
      this.controls.push(openControl<Api>(port1));
      const data = dataOf(rank);
      const task: GangTask<unknown> = {
        rank: this.rankOf(rank),
        worldSize: readWorldSize(words),
        words,
        data,
        port: port2,
      };
      const late = `its thread was not ready within ${timeoutMs} ms.`;
      const setUp = (): Promise<number> => this.crew.setUp(rank, task, [port2]);
      tasks.push(this.guard(rank, setUp, { timeoutMs, late }));
    }
    const ids = await all(tasks);
    assertSame('threads of a gang', new Set(ids).size, workers);
    this.isReady = true;
  }

  call<T>(rank: number, use: Use<Api, T>, options: CallOptions = {}): Promise<T> {
    const control = this.controls[rank];
    if (control === undefined) {
      const allowed = `0 to ${this.options.workers - 1}`;
      return Promise.reject(new UsageError({ what: 'the rank of a call', given: rank, allowed }));
    }
    return this.guard(rank, () => use(control.api, rank), options);
  }

  callAll<T>(use: Use<Api, T>, options: CallOptions = {}): Promise<T[]> {
    return all(this.controls.map((_, rank) => this.call(rank, use, options)));
  }

  close(): Promise<void> {
    this.closed ??= Promise.resolve().then(() => this.end());
    return this.closed;
  }

  /** Runs a call until it settles, the gang fails, or the timeout passes. */
  private guard<T>(
    rank: number,
    run: () => Promise<T>,
    options: CallOptions & { readonly late?: string },
  ): Promise<T> {
    const { timeoutMs, late = `its thread did not answer within ${timeoutMs} ms.` } = options;
    return new Promise<T>((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      if (this.closed !== undefined) return reject(new RunError({ reason: 'the gang is closed.' }));
      const fail = (): void => this.fail(rank, late);
      const cancel = timeoutMs === undefined ? undefined : afterRunning(timeoutMs, fail);
      const end = (): void => {
        cancel?.();
        this.open.delete(onFailure);
        this.countCalls(rank, -1);
      };
      const onFailure = (error: Error): void => {
        end();
        reject(error);
      };
      this.open.add(onFailure);
      this.countCalls(rank, 1);
      // An async function, so that a synchronous throw of `run` becomes a rejection, too.
      const answer = (async () => run())().then(
        (value) => {
          if (!this.open.has(onFailure)) return;
          end();
          resolve(value);
        },
        (error: unknown) => {
          cancel?.();
          // The call stays open until it is clear what ended the run first.
          this.threw(rank, unpackError(error));
        },
      );
      answer.catch((error: Error) => this.settle(error));
    });
  }

  /** While calls are open, the threads keep the process alive and are watched. */
  private countCalls(rank: number, change: 1 | -1): void {
    const { openCalls, controls } = this;
    openCalls[rank]! += change;
    controls[rank]!.keepAlive(openCalls[rank]! > 0);
    const { words, workers, stallTimeoutMs: timeoutMs } = this.options;
    if (this.open.size === 0) {
      this.stopWatching?.();
      this.stopWatching = undefined;
    } else if (timeoutMs !== undefined && this.isReady) {
      this.stopWatching ??= watchProgress({
        words,
        rankOf: (other) => this.rankOf(other),
        workers,
        timeoutMs,
        isBusy: (other) => openCalls[other]! > 0,
        onStall: (other) => this.fail(other, `it has made no progress for ${timeoutMs} ms.`),
      });
    }
  }

  /** Handles a call that threw. The worker has aborted the run, unless another one had already done
   * so. In that case this error is only a consequence, and the cause is on its way. */
  private threw(rank: number, error: Error): void {
    const abort = readAbort(this.options.words);
    if (abort === undefined || abort.rank === this.rankOf(rank)) {
      this.fail(rank, error);
    } else {
      void sleep(CAUSE_GRACE_MS).then(() => this.settle(this.fromAbort(abort)));
    }
  }

  /** Handles the end of a thread. If the thread has no rank yet, the call that sets it up also
   * reports the end. */
  private ended(cause: Error | string, rank: number | undefined): void {
    if (this.closed !== undefined) return;
    if (rank === undefined) {
      this.settle(new RunError({ reason: showError(cause) }));
      return;
    }
    const first = this.failure === undefined;
    this.fail(rank, cause);
    if (first && this.failure instanceof RunError) this.options.onDeath?.(this.failure, rank);
  }

  /** The rank of a worker in the group of the control words, as errors name it. */
  private rankOf(worker: number): number {
    return (this.options.firstRank ?? 0) + worker;
  }

  /** Aborts the run because of one worker. */
  private fail(worker: number, cause: Error | string): void {
    const rank = this.rankOf(worker);
    const reason = showError(cause);
    if (cause instanceof UsageError || (cause instanceof RunError && cause.failure.rank === rank)) {
      this.settle(cause, { rank, reason });
    } else {
      const failure = { reason, rank, ...this.named(readPosition(this.options.words, rank)) };
      const options = cause instanceof Error ? { cause } : {};
      this.settle(new RunError(failure, options), { rank, reason });
    }
  }

  private fromAbort(abort: Abort): RunError {
    const { rank, reason } = abort;
    return new RunError({ reason, ...(rank !== MAIN_RANK && { rank }), ...this.named(abort) });
  }

  private named(position: { step?: number; layerId?: number }): Pick<RunFailure, 'step' | 'layer'> {
    const { step, layerId } = position;
    if (layerId === undefined) return step === undefined ? {} : { step };
    const layer = this.options.layerNames?.[layerId] ?? `#${layerId}`;
    return { layer, ...(step !== undefined && { step }) };
  }

  /** Records the first failure as the gang's and rejects all open calls with it. The gang cannot be
   * used any more. */
  private settle(failure: Error, by: Pick<Abort, 'rank' | 'reason'> | undefined = undefined): void {
    this.failure ??= this.abort(failure, by ?? { rank: MAIN_RANK, reason: failure.message });
    for (const reject of [...this.open]) reject(this.failure);
    void this.close();
  }

  /** Makes all members stop waiting, and returns the failure, including any error from doing so. */
  private abort(failure: Error, { rank, reason }: Pick<Abort, 'rank' | 'reason'>): Error {
    const { words } = this.options;
    try {
      if (rank !== MAIN_RANK || !isAborted(words)) abortFromMain(words, rank, reason);
      return failure;
    } catch (error) {
      // The control words were overwritten. Waiting members are terminated.
      return new AggregateError([failure, error], `${failure.message} ${showError(error)}`);
    }
  }

  private async end(): Promise<void> {
    if (this.open.size > 0) this.settle(new RunError({ reason: 'the gang was closed.' }));
    for (const control of this.controls) control.stop();
    await new Promise<void>((resolve) => {
      const cancel = afterRunning(CLOSE_GRACE_MS, resolve);
      void Promise.all(this.controls.map((control) => control.stopped)).then(() => {
        cancel();
        resolve();
      });
    });
    await this.crew.dismiss();
    for (const control of this.controls) control.close();
  }
}

/** The URL of the workers' file, which must exist. */
function urlOf(entry: URL | string): string {
  const isUrl = entry instanceof URL || entry.startsWith('file:');
  const filename = isUrl ? fileURLToPath(entry) : entry;
  if (existsSync(filename)) return pathToFileURL(filename).href;
  throw new UsageError({
    what: "the workers' file",
    given: filename,
    allowed: 'a built file',
    hint: 'npm run build',
  });
}

/** Promise.all that leaves no rejection unhandled when several promises reject. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
