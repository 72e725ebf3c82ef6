// Remote control of one worker: typed Comlink calls over a dedicated port. It adds what Comlink
// lacks: errors that keep their class, and an end. Starting threads and handling their deaths is up
// to crew.ts and gang.ts.

import { setImmediate } from 'node:timers/promises';
import { type MessagePort, threadId } from 'node:worker_threads';
import { expose, type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { showError } from '../base/showError.ts';
import { abortRun } from '../sync/abort.ts';
import type { ControlWords } from '../sync/words.ts';
import { packError } from './thrown.ts';

/** What a worker is started with. */
export interface GangTask<Data> {
  /** The rank in the gang's group, which may have members in other processes. */
  readonly rank: number;
  readonly worldSize: number;
  /** The control words of that group. */
  readonly words: ControlWords;
  readonly data: Data;
  /** The port that the remote control uses. */
  readonly port: MessagePort;
}

/** What a worker offers: functions only. Arguments and results are posted. */
export type RemoteApi<Api> = { readonly [Name in keyof Api]: (...args: never[]) => unknown };

interface StopMessage {
  readonly stop: true;
}

/** Makes a worker's api, which answers calls until the worker is told to stop, and returns the id
 * of its thread. The promise rejects with packed errors if the api cannot be made. If an api
 * function throws, it aborts the run before it answers, so that the others stop waiting
 * immediately. */
export async function serveControl<Data, Api extends RemoteApi<Api>>(
  task: GangTask<Data>,
  makeApi: (task: GangTask<Data>) => Api | Promise<Api>,
): Promise<number> {
  const { port } = task;
  port.on('message', (message: Partial<StopMessage>) => {
    if (message.stop === true) port.close();
  });
  try {
    const api = await makeApi(task);
    // An unhandled rejection ends the thread at the end of this turn, so the thread is ready only
    // after it.
    await setImmediate();
    exposeApi(port, api, (error) => abortRun(task.words, task.rank, showError(error)));
    return threadId;
  } catch (error) {
    port.close();
    throw packError(error);
  }
}

/** The main thread's end of {@link serveControl}. */
export interface Control<Api> {
  /** Calls made before the worker serves them wait. Their promises stay pending if it dies, so race
   * them. */
  readonly api: Remote<Api>;
  /** Settles when the worker has stopped, or its thread has ended. */
  readonly stopped: Promise<void>;
  /** Whether open calls keep the process alive. */
  keepAlive(isKept: boolean): void;
  /** Asks the worker to stop accepting calls. */
  stop(): void;
  close(): void;
}

/** Opens the remote control. */
export function openControl<Api>(port: MessagePort): Control<Api> {
  const stopped = new Promise<void>((resolve) => port.once('close', resolve));
  return {
    api: wrap<Api>(nodeEndpoint(port)),
    stopped,
    keepAlive: (isKept) => (isKept ? port.ref() : port.unref()),
    stop: () => port.postMessage({ stop: true } satisfies StopMessage),
    close: () => port.close(),
  };
}

/** Answers calls of an api, with errors that can be posted. `onError` receives each error first. */
export function exposeApi<Api extends RemoteApi<Api>>(
  port: MessagePort,
  api: Api,
  onError: (error: unknown) => void,
): void {
  const guarded = Object.entries(api).map(([name, run]) => [
    name,
    async (...args: unknown[]): Promise<unknown> => {
      try {
        return await (run as (...args: unknown[]) => unknown).apply(api, args);
      } catch (error) {
        onError(error);
        throw packError(error);
      }
    },
  ]);
  expose(Object.fromEntries(guarded), nodeEndpoint(port));
}
