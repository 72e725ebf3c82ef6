// The remote control of one worker: typed calls by Comlink over a port of its own, with what
// Comlink leaves out: a ready message before the first call, errors that keep their class, and an
// end. Who started the thread, and what happens when it dies, is in gang.ts.

import { type MessagePort, threadId } from 'node:worker_threads';
import { expose, type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { abortRun } from '../sync/abort.ts';
import type { ControlWords } from '../sync/words.ts';
import { packError, showError } from './thrown.ts';

/** What a worker is started with. */
export interface GangTask<Data> {
  readonly rank: number;
  readonly worldSize: number;
  /** The control words of the gang's group. */
  readonly words: ControlWords;
  readonly data: Data;
  /** Where the remote control comes in. */
  readonly port: MessagePort;
}

/** What a worker offers: functions only. Their arguments and results are posted. */
export type RemoteApi<Api> = { readonly [Name in keyof Api]: (...args: never[]) => unknown };

interface ReadyMessage {
  readonly ready: true;
  readonly threadId: number;
}

interface StopMessage {
  readonly stop: true;
}

/** The whole life of a worker: makes the api, answers calls, and returns when it is told to stop.
 * The promise rejects, with packed errors, when the api cannot be made. An api function that
 * throws breaks the run off before it answers, so that the others leave their waits at once. */
export async function serveControl<Data, Api extends RemoteApi<Api>>(
  task: GangTask<Data>,
  makeApi: (task: GangTask<Data>) => Api | Promise<Api>,
): Promise<void> {
  const { port } = task;
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (message: Partial<StopMessage>) => {
      if (message.stop === true) resolve();
    });
  });
  try {
    expose(guard(await makeApi(task), task), nodeEndpoint(port));
    port.postMessage({ ready: true, threadId } satisfies ReadyMessage);
    await stopped;
  } catch (error) {
    throw packError(error);
  } finally {
    port.close();
  }
}

/** The main thread's end of {@link serveControl}. */
export interface Control<Api> {
  /** Settles when the worker takes calls, with the id of its thread. A call before that would
   * hang. */
  readonly ready: Promise<number>;
  readonly api: Remote<Api>;
  /** Asks the worker to return from its task. */
  stop(): void;
  close(): void;
}

/** Opens the remote control. Its promises may stay open for ever if the worker dies: race them. */
export function openControl<Api>(port: MessagePort): Control<Api> {
  const ready = new Promise<number>((resolve) => {
    const listen = (message: Partial<ReadyMessage>) => {
      if (message.ready !== true) return;
      port.off('message', listen);
      resolve(message.threadId ?? 0);
    };
    port.on('message', listen);
  });
  return {
    ready,
    api: wrap<Api>(nodeEndpoint(port)),
    stop: () => port.postMessage({ stop: true } satisfies StopMessage),
    close: () => port.close(),
  };
}

/** The api with functions that break the run off when they throw, and throw what can be posted. */
function guard<Data, Api extends RemoteApi<Api>>(api: Api, task: GangTask<Data>): object {
  const guarded = Object.entries(api).map(([name, run]) => [
    name,
    async (...args: unknown[]): Promise<unknown> => {
      try {
        return await (run as (...args: unknown[]) => unknown).apply(api, args);
      } catch (error) {
        abortRun(task.words, task.rank, showError(error));
        throw packError(error);
      }
    },
  ]);
  return Object.fromEntries(guarded);
}
