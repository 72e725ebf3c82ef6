import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type LiveOptions, type LiveServer, serveLive } from '../../src/report/liveServer.ts';

const PAGE = { title: 'a run', lead: 'l', sections: [] };

async function serving(
  test: (server: LiveServer, rendered: { count: number }) => Promise<void>,
  options: Partial<LiveOptions> = {},
): Promise<void> {
  const rendered = { count: 0 };
  const server = await serveLive({
    port: 0,
    page: () => PAGE,
    sections: () => {
      rendered.count++;
      return [`<section>${rendered.count}</section>`];
    },
    ...options,
  });
  try {
    await test(server, rendered);
  } finally {
    await server.close();
  }
}

/** Tells the server of changes, and lets the second pass after which it pushes them. */
function pushOnce(server: LiveServer): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  server.changed();
  server.changed();
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1000);
  vi.useRealTimers();
}

/** A request with whatever headers, which fetch would not let through. */
function get(
  url: string,
  options: { readonly method?: string; readonly host?: string } = {},
): Promise<{ status: number; text: string }> {
  const { method = 'GET', host } = options;
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, ...(host && { headers: { host } }) }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** What the server says to these bytes. */
function raw(url: string, bytes: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.once('data', (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

afterEach(() => {
  vi.useRealTimers();
});

describe('serveLive', () => {
  it('serves the page only on this machine, and allows no external content', () =>
    serving(async ({ url }) => {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      const response = await fetch(url);
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('<title>a run</title>');
      const policy = response.headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toMatch(/script-src 'sha256-[^']+'/);
    }));

  it('refuses other paths, other methods and other names of this machine', () =>
    serving(async ({ url }) => {
      expect((await get(`${url}secret`)).status).toBe(404);
      expect((await get(url, { method: 'POST' })).status).toBe(405);
      expect((await get(url, { host: 'evil.example' })).status).toBe(403);
      expect((await get(url, { host: 'localhost:1' })).status).toBe(200);
    }));

  it.each(['//', '/\\\\', '*', 'http://[', '/%'])('survives a request for %s', (path) =>
    serving(async ({ url }) => {
      const text = await raw(url, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 40[04] /);
      expect((await get(url)).status).toBe(200);
    }),
  );

  it('ends even if a client holds an idle connection', async () => {
    let silent: Socket | undefined;
    await serving(async ({ url }) => {
      const { port } = new URL(url);
      silent = connect(Number(port), '127.0.0.1');
      silent.on('error', () => {});
      await new Promise((resolve) => silent!.once('connect', resolve));
      silent.write('GET / HT');
    });
    // serving() has closed the server: the connection is cut, not waited for.
    await new Promise((resolve) => silent!.once('close', resolve).resume());
    expect(silent!.destroyed).toBe(true);
  });

  it('requires the token of its URL if it listens elsewhere', () =>
    serving(
      async ({ url }) => {
        expect(url).toMatch(/\?token=[0-9a-f]{32}$/);
        const local = url.replace('0.0.0.0', '127.0.0.1');
        const [bare] = local.split('?');
        expect((await get(local)).status).toBe(200);
        expect((await get(bare!)).status).toBe(403);
        expect((await get(`${bare}?token=${'0'.repeat(32)}`)).status).toBe(403);
        expect((await get(`${bare}events`)).status).toBe(403);
      },
      { host: '0.0.0.0' },
    ));

  it('pushes changes, and the end of the run, to viewers', () =>
    serving(async (server) => {
      const response = await fetch(`${server.url}events`);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const first = await reader.read();
      expect(first.value).toContain('event: sections\ndata: ["<section>1</section>"]');
      pushOnce(server);
      const second = await reader.read();
      expect(second.value).toContain('<section>2</section>');
      const closed = server.close();
      let rest = '';
      for (let part = await reader.read(); !part.done; part = await reader.read())
        rest += part.value;
      expect(rest).toContain('event: end');
      await closed;
    }));

  it('renders nothing while no page is open', () =>
    serving(async (server, rendered) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      for (let i = 0; i < 100; i++) server.changed();
      expect(vi.getTimerCount()).toBe(0);
      expect(rendered.count).toBe(0);
    }));

  it('names a port that is in use, and suggests another', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    try {
      const started = serving(async () => {}, { port });
      await expect(started).rejects.toThrow(UsageError);
      const text = `--watch ${port}: expected .*, got "a port that is in use".*--watch ${port + 1}`;
      await expect(serving(async () => {}, { port })).rejects.toThrow(new RegExp(text));
    } finally {
      other.close();
    }
  });

  it('names an address that does not belong to this machine', async () => {
    await expect(serving(async () => {}, { host: '192.0.2.1' })).rejects.toThrow(
      /^--watch-host 192\.0\.2\.1: expected .*, got "listen EADDRNOTAVAIL/,
    );
  });
});

describe('connections', () => {
  it('end if clients send no request, however many there are', async () => {
    await serving(async ({ url }) => {
      const { port } = new URL(url);
      let closed = 0;
      const sockets = Array.from({ length: 82 }, () => connect(Number(port), '127.0.0.1'));
      const ends = sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.on('error', () => {}).resume();
            socket.on('close', () => {
              closed++;
              resolve();
            });
          }),
      );
      // All 82 are closed by the server: 50 at once, those that ask for nothing after seconds.
      await Promise.all(ends);
      expect(closed).toBe(82);
      expect((await get(url)).status).toBe(200);
    });
  }, 15_000);
});

describe('a page that cannot be rendered', () => {
  it('is reported once, and ends neither the process nor the server', async () => {
    const troubles: string[] = [];
    let isBroken = true;
    const part = (): string => {
      if (isBroken) throw new RangeError('no such section');
      return '<section>whole</section>';
    };
    await serving(
      async (server) => {
        const stream = fetch(new URL('events', server.url)).then((response) => response.text());
        expect((await get(server.url)).status).toBe(500);
        while (troubles.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        // The push of the timer fails, too.
        pushOnce(server);
        isBroken = false;
        expect((await get(server.url)).status).toBe(200);
        await server.close();
        expect(await stream).toMatch(/whole.*event: end/s);
      },
      {
        sections: () => [part()],
        page: () => ({ ...PAGE, lead: part() }),
        onTrouble: (message) => troubles.push(message),
      },
    );
    expect(troubles).toEqual(['the live page failed: RangeError: no such section']);
  });
});
