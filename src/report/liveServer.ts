// Serves a page that changes live, with Server-Sent Events. By default, it listens only on this
// machine.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import { type Access, accessTo, LOOPBACK } from './liveAccess.ts';
import { createFeed, type LiveFeed } from './liveFeed.ts';
import { EVENTS_PATH, sendPage, sendText } from './liveResponse.ts';
import type { Page } from './page.ts';

export interface LiveOptions {
  /** Host to listen on; default 127.0.0.1. Any other needs a token, which is in the URL. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The current page. */
  page(): Page;
  /** Called once if the server fails while it serves. */
  onTrouble?(message: string): void;
  /** The current sections, rendered, in page order. */
  sections(): readonly string[];
}

export interface LiveServer {
  /** URL of the page, including the token if there is one. */
  readonly url: string;
  /** Notes a change; clients receive it within a second. */
  changed(): void;
  /** Sends the final state and closes the server. */
  close(): Promise<void>;
}

/** Time for clients to receive the final state before connections are cut. */
const GRACE_MS = 500;
/** The most simultaneous connections; further ones are closed immediately. Checkpoints need file
 * descriptors, too. */
const MAX_CONNECTIONS = 32;
/** Time limit for a client's request. */
const REQUEST_MS = 5000;

/** Starts the server. Throws a {@link UsageError} if the port or the host is not available. */
export async function serveLive(options: LiveOptions): Promise<LiveServer> {
  const { host = LOOPBACK } = options;
  const access = accessTo(host);
  const tellTrouble = bindTrouble(options);
  const feed = createFeed(() => options.sections(), tellTrouble);
  const server = createLimitedServer((request, response) => {
    try {
      answer(request, response, { access, feed, page: () => options.page() });
    } catch (error) {
      tellTrouble(error);
      if (!response.headersSent) sendText(response, 500, 'The page cannot be shown now.');
    }
  });
  await listen(server, host, options.port);
  server.on('error', tellTrouble);
  const { port } = server.address() as AddressInfo;

  return {
    url: urlOf(host, port, access.token),
    changed: feed.changed,
    async close() {
      feed.end();
      await new Promise<void>((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
      });
    },
  };
}

/** Returns a function that reports the first problem. The run continues regardless of the page,
 * even if no file descriptor is available (EMFILE from accept) or the page cannot be rendered. */
function bindTrouble(options: LiveOptions): (error: unknown) => void {
  let isTold = false;
  return (error) => {
    if (!isTold) options.onTrouble?.(`the live page failed: ${showError(error)}`);
    isTold = true;
  };
}

function createLimitedServer(
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const limits = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS };
  const server = createServer({ ...limits, connectionsCheckingInterval: 1000 }, onRequest);
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(REQUEST_MS);
  return server;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  by: { readonly access: Access; readonly feed: LiveFeed; page(): Page },
): void {
  const url = urlOfRequest(request);
  if (url === undefined) {
    sendText(response, 400, 'Not a path.');
    return;
  }
  const refusal = by.access.refusalOf(request, url);
  if (refusal !== undefined) sendText(response, refusal.status, refusal.text);
  else if (url.pathname === EVENTS_PATH) by.feed.add(response);
  else if (url.pathname === '/') sendPage(response, by.page());
  else sendText(response, 404, 'Not found: the page is at /.');
}

/** The requested URL; undefined if it is not a path, since clients may send anything. */
function urlOfRequest({ url }: IncomingMessage): URL | undefined {
  return url?.startsWith('/') === true && URL.canParse(`http://page${url}`)
    ? new URL(`http://page${url}`)
    : undefined;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw listenError(error, host, port);
  }
}

function listenError(error: unknown, host: string, port: number): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  if (error.code === 'EADDRINUSE' || error.code === 'EACCES') {
    return new UsageError({
      what: `--watch ${port}`,
      given:
        error.code === 'EADDRINUSE' ? 'a port that is in use' : 'a port that requires privileges',
      allowed: 'a free port',
      hint: `--watch ${port + 1}, or --watch 0 for any`,
    });
  }
  return new UsageError({
    what: `--watch-host ${host}`,
    given: error.message,
    allowed: 'an address of this machine',
    hint: '0.0.0.0 for all of them',
  });
}

function urlOf(host: string, port: number, token: string | undefined): string {
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `http://${name}:${port}/${token === undefined ? '' : `?token=${token}`}`;
}
