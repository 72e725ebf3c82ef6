// Serves a page that changes, live, with Server-Sent Events. Listens on this machine alone unless
// told otherwise, and then answers only who knows the token in the URL. Renders nothing while
// nobody looks.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import { type Page, renderPage } from './page.ts';

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
  /** Says that something has changed; those who look get it within a second. */
  changed(): void;
  /** Sends the last state and ends. */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]', '::1'];
const PUSH_EVERY_MS = 1000;
/** How long those who look have to take the last state; then connections are cut. */
const GRACE_MS = 500;
/** Connections at one time; more are closed at once. Checkpoints need descriptors, too. */
const MAX_CONNECTIONS = 32;
/** How long a client has to ask for something. */
const REQUEST_MS = 5000;
const TOKEN_BYTES = 16;
const EVENTS_PATH = '/events';
const NO_PATH = { status: 400, text: 'Not a path.' };

/** Puts the sections that have changed in the place of the old ones, so that the reader's place on
 * the page and in its tables stays. */
const SCRIPT = `
const main = document.querySelector('main');
const note = document.createElement('p');
main.before(note);
let shown = [];
const source = new EventSource('${EVENTS_PATH.slice(1)}' + location.search);
source.addEventListener('sections', (event) => {
  note.textContent = '';
  const sections = JSON.parse(event.data);
  const isSame = shown.length === sections.length;
  if (!isSame) main.innerHTML = sections.join('');
  else sections.forEach((html, i) => {
    if (html !== shown[i]) main.children[i].outerHTML = html;
  });
  shown = sections;
});
source.addEventListener('end', () => {
  source.close();
  note.textContent = 'The run is over; this is its last state.';
});
source.onerror = () => { note.textContent = 'No connection to the run.'; };
`;
const SCRIPT_HASH = createHash('sha256').update(SCRIPT).digest('base64');
const HEADERS = {
  'Content-Security-Policy':
    `default-src 'none'; script-src 'sha256-${SCRIPT_HASH}'; style-src 'unsafe-inline'; ` +
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
} as const;

/** Starts to serve. Throws a {@link UsageError} when the port or the host cannot be had. */
export async function serveLive(options: LiveOptions): Promise<LiveServer> {
  const { host = LOOPBACK } = options;
  const isLoopback = LOOPBACK_NAMES.includes(host);
  const token = isLoopback ? undefined : randomBytes(TOKEN_BYTES).toString('hex');
  const watchers = new Set<ServerResponse>();
  let timer: NodeJS.Timeout | undefined;
  let pushed = '';
  let isTold = false;

  /** The run goes on whatever becomes of the page: of a descriptor that is not to be had (EMFILE of
   * accept), of a page that cannot be rendered. */
  const tellTrouble = (error: unknown): void => {
    if (!isTold) options.onTrouble?.(`the live page has trouble: ${showError(error)}`);
    isTold = true;
  };

  /** Undefined where they cannot be rendered. */
  const render = (): string | undefined => {
    try {
      return JSON.stringify(options.sections());
    } catch (error) {
      tellTrouble(error);
      return undefined;
    }
  };

  const push = (): void => {
    timer = undefined;
    if (watchers.size === 0) return;
    const data = render();
    if (data === undefined || data === pushed) return;
    pushed = data;
    // Who does not keep up gets a later state instead of a queue of old ones.
    for (const watcher of watchers) {
      if (!watcher.writableNeedDrain) watcher.write(eventText('sections', data));
    }
  };

  const watch = (response: ServerResponse): void => {
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' });
    const data = render();
    if (data !== undefined) response.write(eventText('sections', data));
    // Whoever looks may do so for as long as the run lasts.
    response.socket?.setTimeout(0);
    watchers.add(response);
    response.on('error', () => watchers.delete(response));
    response.on('close', () => watchers.delete(response));
  };

  const showPage = (response: ServerResponse): void => {
    const html = renderPage({ ...options.page(), script: SCRIPT });
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/html; charset=utf-8' });
    response.end(html);
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = urlOfRequest(request);
    const isTokenRight = url !== undefined && (token === undefined || hasToken(url, token));
    const refused = url === undefined ? NO_PATH : refusal(request, isLoopback, isTokenRight);
    if (refused !== undefined) end(response, refused.status, refused.text);
    else if (url?.pathname === EVENTS_PATH) watch(response);
    else if (url?.pathname === '/') showPage(response);
    else end(response, 404, 'Not here: the page is at /.');
  };

  const limits = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS };
  const server = createServer(
    { ...limits, connectionsCheckingInterval: 1000 },
    (request, response) => {
      try {
        answer(request, response);
      } catch (error) {
        tellTrouble(error);
        if (!response.headersSent) end(response, 500, 'The page cannot be shown now.');
      }
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(REQUEST_MS);
  await listen(server, host, options.port);
  server.on('error', tellTrouble);
  const { port } = server.address() as AddressInfo;

  return {
    url: urlOf(host, port, token),
    changed() {
      timer ??= watchers.size === 0 ? undefined : setTimeout(push, PUSH_EVERY_MS).unref();
    },
    async close() {
      clearTimeout(timer);
      push();
      for (const watcher of watchers) watcher.end(eventText('end', ''));
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

function eventText(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** Why a request is not answered. */
function refusal(
  request: IncomingMessage,
  isLoopback: boolean,
  isTokenRight: boolean,
): { readonly status: number; readonly text: string } | undefined {
  if (request.method !== 'GET') return { status: 405, text: 'Only GET.' };
  if (isLoopback && !LOOPBACK_NAMES.includes(hostnameOf(request.headers.host ?? ''))) {
    // A page from elsewhere whose name was made to point here would read what only this machine
    // may.
    return { status: 403, text: 'This page is for localhost.' };
  }
  return isTokenRight
    ? undefined
    : { status: 403, text: 'The token is missing or wrong: take the whole URL.' };
}

/** What is asked for; undefined where it is no path, which anybody may send. */
function urlOfRequest({ url }: IncomingMessage): URL | undefined {
  return url?.startsWith('/') === true && URL.canParse(`http://page${url}`)
    ? new URL(`http://page${url}`)
    : undefined;
}

function hasToken({ searchParams }: URL, token: string): boolean {
  return isSame(searchParams.get('token') ?? '', token);
}

function hostnameOf(header: string): string {
  return header.replace(/:\d+$/, '');
}

/** Takes as long for a wrong token as for the right one. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
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
