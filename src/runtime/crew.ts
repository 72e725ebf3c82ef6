// The threads of a gang, run by Piscina. They start when the crew is made. One task per thread sets
// up its rank and returns. After that, the thread only handles messages, and Piscina, which
// considers it idle, lets the process end. A crew reports unexpected thread ends, and leaves no
// thread running once it is dismissed.

import type { MessagePort, ResourceLimits, Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { ownFile } from '../base/ownFile.ts';
import type { GangTask } from './control.ts';
import { unpackError } from './thrown.ts';

export interface CrewOptions {
  readonly workers: number;
  /** The URL of the built module. Its default export takes a task and returns the id of its
   * thread. */
  readonly entry: string;
  readonly resourceLimits?: ResourceLimits;
}

/** Called for each thread that ends before {@link Crew.dismiss}, without a rank if the thread has
 * none yet. */
export type OnEnd = (cause: Error | string, rank: number | undefined) => void;

export type PoolClass = typeof Piscina;

/** Makes a crew. Its threads start while the caller prepares what they need. */
export async function openCrew(options: CrewOptions): Promise<Crew> {
  return new Crew(await loadPool(), options);
}

/** Imported when the first threads start, or just before. In a bundle of ES modules, Piscina, which
 * is CommonJS, would end the program before any message about bundles. */
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
  /** Ends that happened before there was a listener. */
  private readonly untold: Parameters<OnEnd>[] = [];

  constructor(Pool: PoolClass, options: CrewOptions) {
    const { workers, entry, resourceLimits } = options;
    this.threadIds = Array.from({ length: workers });
    this.pool = new Pool({
      filename: ownFile('#workers/thread.cjs'),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      // Threads wait for our messages, so Piscina must not park them between tasks.
      atomics: 'disabled',
      recordTiming: false,
      workerData: { entry },
      ...(resourceLimits !== undefined && { resourceLimits }),
    });
    this.exits = this.pool.threads.map((thread) => this.watch(thread));
    // A thread that is set up reports its own error a moment later.
    this.pool.on('error', (error) => queueMicrotask(() => this.ended(unpackError(error))));
  }

  /** Reports all ends from now on, and those that have already happened. */
  listen(onEnd: OnEnd): void {
    this.onEnd = onEnd;
    for (const end of this.untold.splice(0)) onEnd(...end);
  }

  /** Sets up a rank on its own thread. Rejects if that fails or the thread ends. */
  async setUp<Data>(
    rank: number,
    task: GangTask<Data>,
    transferList: MessagePort[],
  ): Promise<number> {
    const threadId: number = await this.pool.run(task, { transferList });
    this.threadIds[rank] = threadId;
    return threadId;
  }

  /** Terminates all threads. May be called again. */
  dismiss(): Promise<void> {
    this.dismissed ??= this.end();
    return this.dismissed;
  }

  private async end(): Promise<void> {
    await this.pool.destroy();
    await Promise.all(this.exits);
    // The late `exit` event of a thread that threw makes a destroyed pool start threads again.
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
