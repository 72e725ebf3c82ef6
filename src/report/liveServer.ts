// Serves a page that changes, live, with Server-Sent Events. Listens on this machine alone unless
// told otherwise.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import { type Access, accessTo, LOOPBACK } from './liveAccess.ts';
import { createFeed, type LiveFeed } from './liveFeed.ts';
import { EVENTS_PATH, sendPage, sendText } from './liveResponse.ts';
import type { Page } from './page.ts';

export interface LiveOptions {
  /** Where to listen; default 127.0.0.1. Any other needs a token, which the URL has. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The page as it is now. */
  page(): Page;
  /** Is told once when the server fails while it serves. */
  onTrouble?(message: string): void;
  /** Its sections as they are now, rendered, in the order of the page. */
  sections(): readonly string[];
}

export interface LiveServer {
  /** Where the page is, with the token if there is one. */
  readonly url: string;
  /** Says that something has changed; clients get it within a second. */
  changed(): void;
  /** Sends the last state and ends. */
  close(): Promise<void>;
}

/** How long clients have to take the last state; then connections are cut. */
const GRACE_MS = 500;
/** Connections at one time; more are closed at once. Checkpoints need descriptors, too. */
const MAX_CONNECTIONS = 32;
/** How long a client has to ask for something. */
const REQUEST_MS = 5000;

/** Starts to serve. Throws a {@link UsageError} when the port or the host cannot be had. */
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

/** Returns what tells of the first trouble. The run goes on whatever becomes of the page: of a
 * descriptor that is not to be had (EMFILE of accept), of a page that cannot be rendered. */
function bindTrouble(options: LiveOptions): (error: unknown) => void {
  let isTold = false;
  return (error) => {
    if (!isTold) options.onTrouble?.(`the live page has trouble: ${showError(error)}`);
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
  else sendText(response, 404, 'Not here: the page is at /.');
}

/** What is asked for; undefined where it is not a path, as any client may send. */
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
      given: error.code === 'EADDRINUSE' ? 'a port that is in use' : 'a port that needs rights',
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
