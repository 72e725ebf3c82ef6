// Packed sets that are read chunk by chunk: the data of the whole set, checked chunk by chunk.

import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { openDataset } from '../../src/data/open.ts';
import { openChunked } from '../../src/data/openChunked.ts';
import { syncbn } from '../support/cli.ts';
import { CHUNK, packed, SIZE } from '../support/data/packed.ts';
import { folderOf } from '../support/dataFiles.ts';

const signal = new AbortController().signal;

describe('a packed set in chunks', () => {
  it.each([{}, { isMasks: true }, { test: 0 }])('is the data of the whole set, %j', async (of) => {
    const dir = await packed(of);
    const [whole, chunked] = [await openDataset(dir), await openChunked(dir)];
    const { train, test, contentHash, ...fields } = chunked;
    const { train: all, test: tested, ...expected } = whole;
    expect(fields).toEqual(expected);
    expect(describeDataset(chunked).contentHash).toBe(describeDataset(whole).contentHash);
    expect(contentHash).toBe(describeDataset(whole).contentHash);
    expect([train.count, test.count]).toEqual([all.count, tested.count]);
    const chunks = [];
    for (let i = 0; i * CHUNK < train.count; i++) chunks.push(await train.read(i, signal));
    const inputs = chunks.flatMap((chunk) => [...chunk.inputs]);
    expect(inputs).toEqual([...all.inputs]);
    expect(chunks.flatMap((chunk) => [...chunk.targets])).toEqual([...all.targets]);
  });

  it('is refused chunk by chunk if it was changed', async () => {
    const dir = await packed();
    const file = join(dir, 'x_train.npy');
    const handle = await open(file, 'r+');
    await handle.write(Uint8Array.of(7), 0, 1, (await handle.stat()).size - 70 * SIZE + 20 * SIZE);
    await handle.close();
    const { train } = await openChunked(dir);
    await train.read(0, signal);
    const reading = train.read(1, signal);
    await expect(reading).rejects.toThrow(UsageError);
    await expect(reading).rejects.toThrow(`chunk 1 of ${file} does not match set.json`);
    await expect(openDataset(dir)).rejects.toThrow('x_train.npy does not match set.json');
    const { status, stderr } = await trained(dir, '--stream', '--window', '32');
    expect([status, stderr]).toEqual([2, expect.stringContaining(`chunk 1 of ${file} does not`)]);
    await truncate(file, 200);
    await expect(openChunked(dir)).rejects.toThrow('x_train.npy does not match set.json');
  });

  it('may be limited to some of its samples', async () => {
    const dir = await packed();
    const [whole, chunked] = [await openDataset(dir), await openChunked(dir, { limit: 20 })];
    expect([chunked.train.count, chunked.test.count]).toEqual([20, whole.test.count]);
    const images = new Set<string>();
    for (let i = 0; i * chunked.train.chunkSamples < 20; i++) {
      const { inputs, targets } = await chunked.train.read(i, signal);
      for (let n = 0; n < targets.length; n++) {
        images.add(`${inputs.subarray(n * SIZE, (n + 1) * SIZE)} ${targets[n]}`);
      }
    }
    expect(images.size).toBe(20);
    for (let n = 0; n < whole.train.count; n++) {
      images.delete(
        `${whole.train.inputs.subarray(n * SIZE, (n + 1) * SIZE)} ${whole.train.targets[n]}`,
      );
    }
    expect(images.size).toBe(0);
    expect(chunked.contentHash).not.toBe((await openChunked(dir)).contentHash);
    expect((await openChunked(dir, { limit: 70 })).contentHash).toBe(
      (await openChunked(dir)).contentHash,
    );
    await expect(openChunked(dir, { limit: 71 })).rejects.toThrow('from 1 to 70');
  });

  it('is a set of version 2', async () => {
    const dir = await packed();
    const manifest = join(dir, 'set.json');
    const list = JSON.parse(String(await readFile(manifest)));
    const files = { 'x_train.npy': '', 'y_train.npy': '' };
    await writeFile(manifest, JSON.stringify({ ...list, version: 1, files }));
    await expect(openChunked(dir)).rejects.toThrow('version 1, which has no chunks');
    await writeFile(manifest, JSON.stringify({ ...list, mean: [] }));
    await expect(openChunked(dir)).rejects.toThrow('mean of set');
  });
});

/** Two epochs of a small net. */
async function trained(dir: string, ...flags: readonly string[]) {
  const net = join(await folderOf({}), 'net.json');
  const layers = [{ kind: 'flatten' }, { kind: 'linear', inFeatures: SIZE, outFeatures: 3 }];
  await writeFile(net, JSON.stringify({ kind: 'sequential', layers }));
  const run = ['--model', net, '--batch', '16', '--workers', '2', '--epochs', '2', '--json'];
  const { code, stderr, events } = await syncbn(['train', '--data', dir, ...run, ...flags]);
  const of = (name: string) => events.find(({ event }) => event === name);
  return { status: code, stderr, start: of('start'), done: of('done') };
}

describe('syncbn train', () => {
  it('reads a packed set in chunks if requested, and also on resume', async () => {
    const dir = await packed();
    const whole = await trained(dir);
    expect(whole.start).toMatchObject({ stream: null });
    const resident = await trained(dir, '--stream');
    expect(resident.start).toMatchObject({ stream: 'read in chunks, which stay in memory' });
    expect(resident.done).toMatchObject({ weightsHash: whole.done!.weightsHash });
    const windows = await trained(dir, '--window', '30');
    const stream = 'read in chunks, shuffled within windows of 32 samples';
    expect(windows.start).toMatchObject({ stream, dataBytes: expect.any(Number) });
    expect(windows.done!.weightsHash).not.toBe(whole.done!.weightsHash);
    const path = join(await folderOf({}), 'run.ckpt');
    await trained(dir, '--window', '30', '--max-steps', '7', '--checkpoint', path);
    const resume = ['--resume', path, '--data', dir, '--epochs', '2', '--workers', '1', '--json'];
    const { events } = await syncbn(['train', ...resume]);
    expect(events.at(-1)).toMatchObject({ weightsHash: windows.done!.weightsHash });
    expect(events[0]).toMatchObject({ stream });
    const { stdout } = await syncbn(['inspect', path]);
    expect(stdout).toMatch(/window +│ 32 samples in 2 chunks/);
    const evaluated = await syncbn(['eval', '--checkpoint', path, '--data', dir, '--json']);
    expect(evaluated.code).toBe(0);
  });

  it('follows syncbn data, which need not read the set', async () => {
    const dir = await packed();
    const [whole, known] = [
      await syncbn(['data', dir, '--json']),
      await syncbn(['data', dir, '--stream', '--json']),
    ];
    const { train, test, inputShape, channels } = whole.events[0]! as Record<string, unknown>;
    const of = (channels as { mean: number; std: number }[])[0]!;
    const facts = { train, test, inputShape, channels: [{ mean: of.mean, std: of.std }] };
    expect(known.events[0]).toMatchObject({ ...facts, chunkSamples: CHUNK });
    expect((await syncbn(['data', dir, '--stream'])).stdout).toContain('in chunks of 16');
  });

  it('refuses flags that need all samples, and other data', async () => {
    const { status, stderr } = await trained(await packed(), '--stream', '--test-split', '5');
    expect([status, stderr]).toEqual([2, expect.stringContaining('--test-split needs all')]);
    const other = await trained('synthetic', '--stream');
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('a packed set')]);
  });
});
