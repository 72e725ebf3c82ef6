// The threads of a gang, by Piscina. They start when the crew is made. One task on each thread sets
// up its rank and returns; from then on the thread lives on messages, and Piscina, to which it is
// idle, lets the process end without it. A crew tells when a thread ends unasked, and leaves none
// when it is dismissed.

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
}

/** Called for each end of a thread before {@link Crew.dismiss}; without a rank when the thread has
 * none yet. */
export type OnEnd = (cause: Error | string, rank: number | undefined) => void;

export type PoolClass = typeof Piscina;

/** Makes a crew, whose threads start while the caller prepares what they are set up with. */
export async function openCrew(options: CrewOptions): Promise<Crew> {
  return new Crew(await loadPool(), options);
}

/** Imported when the first threads start, or a moment before: in a bundle of ES modules Piscina,
 * which is CommonJS, ends the program before any word about bundles. */
export async function loadPool(): Promise<PoolClass> {
  return (await import('piscina')).Piscina;
}

export class Crew {
  /** By rank in the gang; undefined until the thread is set up. */
  readonly threadIds: (number | undefined)[];
  private readonly pool: Piscina;
  private readonly exits: Promise<unknown>[];
  private dismissed: Promise<void> | undefined;
  private onEnd: OnEnd | undefined;
  /** Ends that came before anything listened. */
  private readonly untold: Parameters<OnEnd>[] = [];

  constructor(Pool: PoolClass, options: CrewOptions) {
    const { workers, entry, resourceLimits } = options;
    this.threadIds = Array.from({ length: workers });
    this.pool = new Pool({
      filename: ownFile('#workers/thread.cjs'),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      // Threads wait for messages of ours, so Piscina is not to park them between tasks.
      atomics: 'disabled',
      recordTiming: false,
      workerData: { entry },
      ...(resourceLimits !== undefined && { resourceLimits }),
    });
    this.exits = this.pool.threads.map((thread) => this.watch(thread));
    // The error of a thread that is set up is told of by that thread, a moment later.
    this.pool.on('error', (error) => queueMicrotask(() => this.ended(unpackError(error))));
  }

  /** Tells of all ends from now on, and of those there were. */
  listen(onEnd: OnEnd): void {
    this.onEnd = onEnd;
    for (const end of this.untold.splice(0)) onEnd(...end);
  }

  /** Sets up a rank on a thread of its own. Rejects when that fails or the thread ends. */
  async setUp<Data>(
    rank: number,
    task: GangTask<Data>,
    transferList: MessagePort[],
  ): Promise<number> {
    const threadId: number = await this.pool.run(task, { transferList });
    this.threadIds[rank] = threadId;
    return threadId;
  }

  /** Ends all threads, by force. May be called again. */
  dismiss(): Promise<void> {
    this.dismissed ??= this.end();
    return this.dismissed;
  }

  private async end(): Promise<void> {
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
    if (this.dismissed !== undefined) return;
    if (this.onEnd === undefined) this.untold.push([cause, rank]);
    else this.onEnd(cause, rank);
  }
}
