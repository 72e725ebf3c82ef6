// The clients that watch a live page, and what they receive: the sections when they connect, then
// whenever something has changed, at most once a second. Nothing is rendered without a client.

import type { ServerResponse } from 'node:http';
import { beginEvents, eventText } from './liveResponse.ts';

const PUSH_EVERY_MS = 1000;

export interface LiveFeed {
  /** Sends a client the current sections, and later ones when they change. */
  add(response: ServerResponse): void;
  /** Notes a change; clients receive it within a second. */
  changed(): void;
  /** Sends the final state and ends all responses. */
  end(): void;
}

/** `onTrouble` is called if the sections cannot be rendered. */
export function createFeed(
  sections: () => readonly string[],
  onTrouble: (error: unknown) => void,
): LiveFeed {
  const watchers = new Set<ServerResponse>();
  let timer: NodeJS.Timeout | undefined;
  let pushed = '';

  /** Undefined if they cannot be rendered. */
  const render = (): string | undefined => {
    try {
      return JSON.stringify(sections());
    } catch (error) {
      onTrouble(error);
      return undefined;
    }
  };

  const push = (): void => {
    timer = undefined;
    if (watchers.size === 0) return;
    const data = render();
    if (data === undefined || data === pushed) return;
    pushed = data;
    // A client that does not keep up receives the latest state instead of a queue of old ones.
    for (const watcher of watchers) {
      if (!watcher.writableNeedDrain) watcher.write(eventText('sections', data));
    }
  };

  return {
    add(response) {
      beginEvents(response);
      const data = render();
      if (data !== undefined) response.write(eventText('sections', data));
      // A client may watch for as long as the run lasts.
      response.socket?.setTimeout(0);
      watchers.add(response);
      response.on('error', () => watchers.delete(response));
      response.on('close', () => watchers.delete(response));
    },
    changed() {
      timer ??= watchers.size === 0 ? undefined : setTimeout(push, PUSH_EVERY_MS).unref();
    },
    end() {
      clearTimeout(timer);
      push();
      for (const watcher of watchers) watcher.end(eventText('end', ''));
    },
  };
}
