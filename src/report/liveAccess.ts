// Access to the live page. A server that listens only on this machine answers requests that use one
// of the machine's local names. Any other server answers clients that know the token in the URL.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const LOOPBACK = '127.0.0.1';
const LOOPBACK_NAMES = [LOOPBACK, 'localhost', '[::1]', '::1'];
const TOKEN_BYTES = 16;

/** Why a request is refused. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

export interface Access {
  /** Undefined if none is needed. */
  readonly token: string | undefined;
  /** Undefined if the request is allowed; `url` is the requested one. */
  refusalOf(request: IncomingMessage, url: URL): Refusal | undefined;
}

/** The access to a server that listens on this host. */
export function accessTo(host: string): Access {
  const isLoopback = LOOPBACK_NAMES.includes(host);
  const token = isLoopback ? undefined : randomBytes(TOKEN_BYTES).toString('hex');
  return {
    token,
    refusalOf({ method, headers }, url) {
      if (method !== 'GET') return { status: 405, text: 'Only GET.' };
      if (isLoopback && !LOOPBACK_NAMES.includes(hostnameOf(headers.host ?? ''))) {
        // Otherwise, a page from elsewhere with a name that resolves to this machine could read the
        // page.
        return { status: 403, text: 'This page is for localhost.' };
      }
      return token === undefined || hasToken(url, token)
        ? undefined
        : { status: 403, text: 'The token is missing or wrong. Use the whole URL.' };
    },
  };
}

function hostnameOf(header: string): string {
  return header.replace(/:\d+$/, '');
}

function hasToken({ searchParams }: URL, token: string): boolean {
  return isSame(searchParams.get('token') ?? '', token);
}

/** Takes equally long for wrong and right tokens. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
