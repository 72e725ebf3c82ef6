import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { syncbn } from '../support/cli.ts';
import { folderOf, npyBytes } from '../support/dataFiles.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--model', 'refnet'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-report-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The events of a server until it ends the stream. */
async function streamOf(url: string): Promise<string> {
  const response = await fetch(new URL('events', url));
  return response.text();
}

describe('syncbn train --report', () => {
  it('writes a page with curves, norms, gradients and result, and changes no weight', async () => {
    const path = join(folder, 'run.html');
    const more = ['--epochs', '3', '--diagnostics', '1', '--json'];
    const plain = await syncbn([...tiny, ...more]);
    const { code, stderr, events } = await syncbn([...tiny, ...more, '--report', path]);
    expect([code, stderr]).toEqual([0, '']);
    const names = events.map(({ event }) => event);
    expect(names.slice(-2)).toEqual(['done', 'report']);
    expect(events.at(-2)!.weightsHash).toBe(plain.events.at(-1)!.weightsHash);
    const html = readFileSync(path, 'utf8');
    const parts = ['Training loss', '1.batchNorm', '0.conv2d.weight', 'test accuracy'];
    for (const text of [...parts, 'Confusion matrix']) expect(html).toContain(text);
    expect(html).toContain('refnet on synthetic');
    expect(/undefined|>NaN</.test(html)).toBe(false);
  });

  it('shows predicted masks and their mean IoU, which eval reproduces', async () => {
    const pixelsOf = (count: number) =>
      Uint8Array.from({ length: count * 48 }, (_, i) => ((i * i * 7) % 11) * 23);
    const masksOf = (count: number) =>
      pixelsOf(count).map((value, i) => (i % 13 === 5 ? 255 : Number(value > 110)));
    const image = (count: number) => npyBytes('|u1', [count, 6, 8], pixelsOf(count));
    const mask = (count: number) => npyBytes('|u1', [count, 6, 8], masksOf(count));
    const data = await folderOf({
      ...{ 'x_train.npy': image(24), 'y_train.npy': mask(24) },
      ...{ 'x_test.npy': image(5), 'y_test.npy': mask(5) },
    });
    const model = join(folder, 'masks.json');
    const layers = [conv2d(1, 8, { kernel: 3, padding: 1 }), batchNorm(8), relu()];
    await writeFile(model, JSON.stringify(sequential([...layers, conv2d(8, 2, { kernel: 1 })])));
    const [path, checkpoint] = [join(folder, 'masks.html'), join(folder, 'masks.ckpt')];
    const files = ['--report', path, '--checkpoint', checkpoint];
    const run = ['--batch', '8', '--epochs', '6', '--lr', '0.3', '--ignore-index', '-100'];
    const moves = ['--flip', '--shift', '1', '--validate', 'test', '--json'];
    const trained = await syncbn([
      ...['train', '--data', data, '--model', model, '--replicas', '2'],
      ...[...run, ...moves, ...files],
    ]);
    expect([trained.code, trained.stderr]).toEqual([0, '']);
    const epochs = trained.events.filter(({ event }) => event === 'epoch');
    const ious = epochs.map(({ validation }) => (validation as { meanIou: number }).meanIou);
    const done = trained.events.find(({ event }) => event === 'done')!;
    expect(ious.at(-1)).toBeGreaterThan(ious[0]!);
    expect(done.testMeanIou).toBe(ious.at(-1));
    const html = readFileSync(path, 'utf8');
    for (const text of [
      'Predicted masks',
      'test mIoU',
      'validation mIoU',
      'Test pixels by class',
    ]) {
      expect(html).toContain(text);
    }
    expect(html.match(/<img src="data:image\/png;base64,/g)).toHaveLength(15);
    expect(html).toContain('not counted');
    const args = ['eval', '--checkpoint', checkpoint, '--data', data, '--metrics', 'iou', '--json'];
    const [evaluated] = (await syncbn(args)).events;
    const { testMeanIou, testAccuracy, weightsHash } = done;
    expect(evaluated).toMatchObject({
      ...{ testMeanIou, testAccuracy, weightsHash },
      metrics: { iou: { mean: testMeanIou } },
    });
  });

  it('writes the page of a run that was stopped', async () => {
    const path = join(folder, 'stopped.html');
    const args = [...tiny, '--epochs', '2000', '--json', '--report', path];
    let isKilled = false;
    const { code } = await syncbn(args, (line, child) => {
      if (isKilled || !line.includes('"epoch"')) return;
      isKilled = child.kill('SIGINT');
    });
    expect(code).toBe(130);
    expect(readFileSync(path, 'utf8')).toContain('<dd>stopped</dd>');
  });

  it('writes the page of a failed run, with the error', async () => {
    const path = join(folder, 'broken.html');
    const model = join(folder, 'throwing.json');
    const module = new URL('../support/jobs/throwingLayer.mjs', import.meta.url).href;
    const layers = [
      { kind: 'custom', module, options: { replica: 7, step: 20 } },
      { kind: 'flatten' },
      { kind: 'linear', inFeatures: 432, outFeatures: 10 },
    ];
    await writeFile(model, JSON.stringify({ kind: 'sequential', layers }));
    const broken = ['train', '--data', 'synthetic', '--limit', '256', '--model', model];
    const args = [...broken, '--allow-modules', '--epochs', '20', '--report', path];
    const { code } = await syncbn(args);
    expect(code).toBe(1);
    const html = readFileSync(path, 'utf8');
    expect(html).toContain('<dd>failed</dd>');
    expect(html).toContain('step 20, layer 0.custom: as it was told to');
  });

  it.each<[string, readonly string[], string, RegExp]>([
    ['that is well', ['--lr', '0.1'], 'done', /^syncbn: --report .*ENOENT/],
    [
      'that broke',
      ['--lr', '1e38'],
      'error',
      /^syncbn: step 1, .*not finite.* Also: --report .*ENOENT/,
    ],
  ])(
    'that cannot be written at the end hides nothing about a run %s',
    async (_, rate, last, told) => {
      const gone = await mkdtemp(join(folder, 'gone-'));
      const path = join(folder, `${last}.ckpt`);
      const files = ['--report', join(gone, 'run.html'), '--checkpoint', path];
      const args = [...tiny, ...rate, '--max-steps', '2', '--json', ...files];
      const { code, stderr, events } = await syncbn(args, (line) => {
        if (line.includes('"event":"start"')) rmSync(gone, { recursive: true });
      });
      expect(code).toBe(1);
      expect(stderr).toMatch(told);
      expect(events.some(({ event }) => event === last)).toBe(true);
      expect(events.at(-1)!.event).toBe('error');
      expect(existsSync(path)).toBe(last === 'done');
    },
  );

  it('refuses a path that cannot be written before anything is trained', async () => {
    const path = join(folder, 'missing', 'run.html');
    const { code, stdout, stderr } = await syncbn([...tiny, '--report', path]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^syncbn: --report .*run\.html: expected .*, got "ENOENT/);
  });
});

describe('syncbn train --watch', () => {
  it('serves the run while it trains and ends with it', async () => {
    let stream: Promise<string> | undefined;
    const args = [...tiny, '--epochs', '60', '--watch', '0', '--json'];
    const { code, events } = await syncbn(args, (line) => {
      const event = JSON.parse(line) as { event: string; url?: string };
      if (event.event === 'watch') stream = streamOf(event.url!);
    });
    expect(code).toBe(0);
    const url = events.find(({ event }) => event === 'watch')!.url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const text = (await stream)!;
    expect(text).toContain('event: sections');
    expect(text.trimEnd()).toMatch(/event: end\ndata:$/);
    expect(text).toContain('<dd>done</dd>');
    await expect(fetch(url as string)).rejects.toThrow();
  });

  it('requires a token when listening elsewhere, and shows it in the URL', async () => {
    const args = [...tiny, '--watch', '0', '--watch-host', '0.0.0.0', '--json'];
    const { code, events } = await syncbn(args);
    expect(code).toBe(0);
    const { url } = events.find(({ event }) => event === 'watch')!;
    expect(url).toMatch(/\?token=[0-9a-f]{32}$/);
  });

  it('says which port is in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = other.address() as { port: number };
      const { code, stderr } = await syncbn([...tiny, '--watch', `${port}`]);
      expect(code).toBe(2);
      expect(stderr).toMatch(
        new RegExp(`--watch ${port}: expected .*, got "a port that is in use"`),
      );
    } finally {
      other.close();
    }
  });

  it.each([
    [['--watch-host', '::1'], /--watch-host requires --watch/],
    [['--watch', '70000'], /--watch: expected .*65535.*, got 70000/],
    [['--watch', 'x'], /--watch: expected .*, got "x"/],
    [['--report'], /--report requires a value/],
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await syncbn([...tiny, ...flags]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
