// The live server's responses: the page and its script, plain text, and events. All have the same
// headers, which keep the page from loading anything from elsewhere.

import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Page, renderPage } from './page.ts';

export const EVENTS_PATH = '/events';

/** Replaces only sections that have changed, to keep the reader's scroll position on the page and
 * in its tables. */
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

export function sendPage(response: ServerResponse, page: Page): void {
  const html = renderPage({ ...page, script: SCRIPT });
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/html; charset=utf-8' });
  response.end(html);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** Begins a response that is a stream of events. */
export function beginEvents(response: ServerResponse): void {
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' });
}

export function eventText(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}
