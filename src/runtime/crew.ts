// The threads of a gang, by Piscina. One task on each thread sets up its rank and returns; from
// then on the thread lives on messages, and Piscina, to which it is idle, lets the process end
// without it. A crew tells when a thread ends unasked, and leaves none when it is dismissed.

import type { MessagePort, ResourceLimits, Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { ownFile } from '../base/ownFile.ts';
import type { GangTask } from './control.ts';
import { unpackError } from './thrown.ts';

export interface CrewOptions {
  readonly workers: number;
  /** The URL of the built module whose default export takes a task and gives the id of its
   * thread. */
  readonly entry: string;
  readonly resourceLimits?: ResourceLimits;
  /** Called for each end of a thread before {@link Crew.dismiss}; without a rank when the thread
   * has none yet. */
  readonly onEnd: (cause: Error | string, rank: number | undefined) => void;
}

export type PoolClass = typeof Piscina;

/** Imported when the first threads start: in a bundle of ES modules Piscina, which is CommonJS,
 * ends the program before any word about bundles. */
export async function loadPool(): Promise<PoolClass> {
  return (await import('piscina')).Piscina;
}

export class Crew {
  /** By rank in the gang; undefined until the thread is set up. */
  readonly threadIds: (number | undefined)[];
  private readonly options: CrewOptions;
  private readonly pool: Piscina;
  private readonly exits: Promise<unknown>[];
  private isDismissed = false;

  constructor(Pool: PoolClass, options: CrewOptions) {
    const { workers, resourceLimits } = options;
    this.options = options;
    this.threadIds = Array.from({ length: workers });
    this.pool = new Pool({
      filename: ownFile('#workers/thread.cjs'),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      // Threads wait for messages of ours, so Piscina is not to park them between tasks.
      atomics: 'disabled',
      recordTiming: false,
      ...(resourceLimits !== undefined && { resourceLimits }),
    });
    this.exits = this.pool.threads.map((thread) => this.watch(thread));
    // The error of a thread that is set up is told of by that thread, a moment later.
    this.pool.on('error', (error) => queueMicrotask(() => this.ended(unpackError(error))));
  }

  /** Sets up a rank on a thread of its own. Rejects when that fails or the thread ends. */
  async setUp<Data>(
    rank: number,
    task: GangTask<Data>,
    transferList: MessagePort[],
  ): Promise<number> {
    const { entry } = this.options;
    const threadId: number = await this.pool.run({ ...task, entry }, { transferList });
    this.threadIds[rank] = threadId;
    return threadId;
  }

  /** Ends all threads, by force. */
  async dismiss(): Promise<void> {
    this.isDismissed = true;
    await this.pool.destroy();
    await Promise.all(this.exits);
    // The late `exit` of a thread that had thrown makes a destroyed pool start threads again.
    while (this.pool.threads.length > 0) await this.pool.destroy();
  }

  private watch(thread: Worker): Promise<unknown> {
    const { threadId } = thread;
    const rankOf = (): number | undefined => {
      const rank = this.threadIds.indexOf(threadId);
      return rank < 0 ? undefined : rank;
    };
    thread.once('error', (error: unknown) => {
      const rank = rankOf();
      if (rank !== undefined) this.ended(unpackError(error), rank);
    });
    return new Promise<void>((resolve) => {
      thread.once('exit', (code) => {
        const rank = rankOf();
        if (rank !== undefined) this.ended(`worker exited with code: ${code}`, rank);
        resolve();
      });
    });
  }

  private ended(cause: Error | string, rank?: number): void {
    if (!this.isDismissed) this.options.onEnd(cause, rank);
  }
}
