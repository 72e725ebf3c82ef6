// A gang: W threads that live and fall together. Each runs ONE long Piscina task that answers
// remote calls; when one throws, dies or does not answer, the run is broken off, all others leave
// their waits, and every open call rejects with the first cause. After close() no thread is left.

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type ResourceLimits } from 'node:worker_threads';
import type { Remote } from 'comlink';
import { Piscina } from 'piscina';
import { RunError, type RunFailure, UsageError } from '../base/errors.ts';
import { type Abort, abortFromMain, isAborted, MAIN_RANK, readAbort } from '../sync/abort.ts';
import { type ControlWords, readPosition } from '../sync/words.ts';
import { type Control, type GangTask, openControl } from './control.ts';
import { showError, unpackError } from './thrown.ts';

export interface GangOptions<Data> {
  /** How many threads; each has its rank. */
  readonly workers: number;
  /** The built file whose default export takes a GangTask and returns {@link serveControl}'s
   * promise. */
  readonly entry: URL | string;
  /** What each worker gets; posted, so shared memory stays shared and compiled modules are not
   * copied. */
  readonly dataOf: (rank: number) => Data;
  /** The control words of the gang's group, initialised for this many workers. */
  readonly words: ControlWords;
  /** Names of layers for errors, by layer id. */
  readonly layerNames?: readonly string[];
  /** Limits of each thread's own memory. */
  readonly resourceLimits?: ResourceLimits;
  /** How long the workers may take to get ready. Default 30_000. */
  readonly startTimeoutMs?: number;
  /** Called once when a thread ends unasked. */
  readonly onDeath?: (error: RunError, rank: number) => void;
}

export interface CallOptions {
  /** How long the worker may take to answer before the run is broken off. Default: for ever,
   * since its own waits have timeouts and its death is noticed. */
  readonly timeoutMs?: number;
}

/** Uses one worker's api: `(api) => api.train(1)`. */
export type Use<Api, T> = (api: Remote<Api>, rank: number) => Promise<T>;

/** Calls reject with a UsageError that a worker threw, else with a RunError that names the rank
 * at which the run broke; with the same error for all of them. A gang that is broken stays so. */
export interface Gang<Api> {
  readonly worldSize: number;
  /** The thread of each rank, as `Worker.threadId`. */
  readonly threadIds: readonly number[];
  call<T>(rank: number, use: Use<Api, T>, options?: CallOptions): Promise<T>;
  /** Calls all workers at once; the results are in rank order. */
  callAll<T>(use: Use<Api, T>, options?: CallOptions): Promise<T[]>;
  /** Ends all threads, by force if they do not listen. Open calls reject. May be called again. */
  close(): Promise<void>;
}

const DEFAULT_START_TIMEOUT_MS = 30_000;
/** How long the rank that broke the run off may take to give its own, fuller error. */
const CAUSE_GRACE_MS = 100;
/** How long threads may take to end by themselves before they are terminated. */
const CLOSE_GRACE_MS = 500;

/** Starts the threads, all or none, and waits until each is ready. */
export async function startGang<Api, Data = unknown>(
  options: GangOptions<Data>,
): Promise<Gang<Api>> {
  const threads = new Threads<Api>(options as GangOptions<unknown>);
  try {
    await threads.start();
  } catch (error) {
    await threads.close();
    throw error;
  }
  return {
    worldSize: options.workers,
    threadIds: threads.threadIds,
    call: (rank, use, callOptions) => threads.call(rank, use, callOptions),
    callAll: (use, callOptions) => threads.callAll(use, callOptions),
    close: () => threads.close(),
  };
}

class Threads<Api> {
  threadIds: number[] = [];
  private readonly options: GangOptions<unknown>;
  private readonly pool: Piscina;
  private readonly exits: Promise<unknown>[];
  private readonly controls: Control<Api>[] = [];
  private readonly tasks: Promise<void>[] = [];
  /** How to reject the calls that are open. */
  private readonly open = new Set<(error: Error) => void>();
  private failure: Error | undefined;
  private closed: Promise<void> | undefined;

  constructor(options: GangOptions<unknown>) {
    const { workers, resourceLimits } = options;
    this.options = options;
    this.pool = new Piscina({
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      // The one task of each thread lives on messages, so Piscina is not to park threads in
      // between.
      atomics: 'disabled',
      recordTiming: false,
      ...(resourceLimits !== undefined && { resourceLimits }),
    });
    this.pool.on('error', (error) => this.settle(new RunError({ reason: showError(error) })));
    this.exits = this.pool.threads.map(
      (thread) => new Promise((resolve) => thread.once('exit', resolve)),
    );
  }

  async start(): Promise<void> {
    const { workers, entry, dataOf, words, startTimeoutMs } = this.options;
    const isUrl = entry instanceof URL || entry.startsWith('file:');
    const filename = isUrl ? fileURLToPath(entry) : entry;
    if (!existsSync(filename)) {
      throw new UsageError({
        what: 'the file of the workers',
        given: filename,
        allowed: 'a built file',
        hint: 'npm run build',
      });
    }
    for (let rank = 0; rank < workers; rank++) {
      const { port1, port2 } = new MessageChannel();
      this.controls.push(openControl<Api>(port1));
      const data = dataOf(rank);
      const task: GangTask<unknown> = { rank, worldSize: workers, words, data, port: port2 };
      const run = this.pool.run(task, { filename, transferList: [port2] });
      this.tasks.push(
        run.then(
          () => this.ended(rank, 'its thread ended without being asked to.'),
          (error: unknown) => this.ended(rank, unpackError(error)),
        ),
      );
    }
    const timeoutMs = startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS;
    const ready = this.controls.map((control, rank) =>
      this.guard(rank, () => control.ready, { timeoutMs }),
    );
    this.threadIds = await all(ready);
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
    this.closed ??= this.end();
    return this.closed;
  }

  /** Runs something against the gang's failure and the timeout, whichever is first. */
  private guard<T>(rank: number, run: () => Promise<T>, options: CallOptions): Promise<T> {
    const { timeoutMs } = options;
    return new Promise<T>((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      if (this.closed !== undefined) return reject(new RunError({ reason: 'the gang is closed.' }));
      const late = () => this.fail(rank, `its thread did not answer within ${timeoutMs} ms.`);
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      const end = () => {
        clearTimeout(timer);
        this.open.delete(onFailure);
      };
      const onFailure = (error: Error) => {
        end();
        reject(error);
      };
      this.open.add(onFailure);
      // An async function, so that what `run` throws at once is a rejection too.
      (async () => run())().then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          // The call stays open until it is clear what broke the run first.
          this.threw(rank, unpackError(error));
        },
      );
    });
  }

  /** A call threw. The worker has broken the run off, unless another one had already done so:
   * then this error is only the echo, and the cause is on its way. */
  private threw(rank: number, error: Error): void {
    const abort = readAbort(this.options.words);
    if (abort === undefined || abort.rank === rank) {
      this.fail(rank, error);
    } else {
      void sleep(CAUSE_GRACE_MS).then(() => this.settle(this.fromAbort(abort)));
    }
  }

  /** A thread's task is over. */
  private ended(rank: number, cause: Error | string): void {
    if (this.closed !== undefined) return;
    const first = this.failure === undefined;
    this.fail(rank, cause);
    if (first && this.failure instanceof RunError) this.options.onDeath?.(this.failure, rank);
  }

  /** Breaks the run off because of one rank. */
  private fail(rank: number, cause: Error | string): void {
    const { words } = this.options;
    const reason = typeof cause === 'string' ? cause : showError(cause);
    abortFromMain(words, rank, reason);
    if (cause instanceof UsageError || (cause instanceof RunError && cause.failure.rank === rank)) {
      this.settle(cause);
    } else {
      const failure = { reason, rank, ...this.named(readPosition(words, rank)) };
      this.settle(new RunError(failure, cause instanceof Error ? { cause } : {}));
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

  /** The first failure is the gang's, and all open calls get it. */
  private settle(failure: Error): void {
    this.failure ??= failure;
    const { words } = this.options;
    if (!isAborted(words)) abortFromMain(words, MAIN_RANK, this.failure.message);
    for (const reject of [...this.open]) reject(this.failure);
  }

  private async end(): Promise<void> {
    if (this.open.size > 0) this.settle(new RunError({ reason: 'the gang was closed.' }));
    for (const control of this.controls) control.stop();
    const grace = new AbortController();
    const patience = sleep(CLOSE_GRACE_MS, undefined, { signal: grace.signal }).catch(() => {});
    await Promise.race([Promise.all(this.tasks), patience]);
    grace.abort();
    await this.pool.destroy();
    await Promise.all(this.exits);
    for (const control of this.controls) control.close();
  }
}

/** Promise.all that leaves no rejection unhandled when several reject. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
