// Fashion-MNIST without a network: cached files are read, and failed downloads are reported.

import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { fashionMnist } from '../../src/data/named/fashionMnist.ts';
import { openDataset } from '../../src/data/open.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'syncbn-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

/** An IDX file of bytes: sizes, then that many zeros. */
function idx(...sizes: readonly number[]): Uint8Array {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.writeUInt32BE(0x0800 + sizes.length, 0);
  for (const [i, size] of sizes.entries()) head.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([head, Buffer.alloc(sizes.reduce((product, size) => product * size))]);
}

describe('fashionMnist', () => {
  it('reads the files of an earlier call, and downloads nothing', async () => {
    const dir = join(cache, 'syncbn', 'fashion-mnist');
    await mkdir(dir, { recursive: true });
    for (const [name, count] of [
      ['train', 20],
      ['t10k', 10],
    ] as const) {
      await writeFile(join(dir, `${name}-images-idx3-ubyte`), idx(count, 28, 28));
      await writeFile(join(dir, `${name}-labels-idx1-ubyte`), idx(count));
    }
    const { name, inputShape, task, train, test } = await fashionMnist(() => expect.unreachable());
    expect([name, inputShape, task]).toEqual([
      'fashion-mnist',
      [28, 28, 1],
      { kind: 'classification', classes: 10 },
    ]);
    expect([train.count, test.count]).toEqual([20, 10]);
    const onNotice = () => expect.unreachable();
    expect(await openDataset('fashion-mnist', { onNotice })).toMatchObject({ name, inputShape });
    expect(await openDataset('fashion-scenes', { onNotice })).toMatchObject({
      name: 'fashion-scenes',
      inputShape: [64, 64, 1],
      task: { kind: 'segmentation', classes: 11, targetShape: [64, 64] },
    });
  });

  it('says why it cannot be downloaded and what to use instead, and leaves no files', async () => {
    vi.stubEnv('PATH', cache);
    const told: string[] = [];
    const fetched = fashionMnist((text) => told.push(text));
    await expect(fetched).rejects.toThrow(UsageError);
    await expect(fetched).rejects.toThrow(/fashion-mnist@1\.1\.0.*ENOENT.*Try: --data mnist/);
    expect(told).toHaveLength(1);
    const onNotice = (text: string) => told.push(text);
    await expect(openDataset('fashion-scenes', { onNotice })).rejects.toThrow(/1\.1\.0.*ENOENT/);
    expect(told).toHaveLength(2);
    expect(readdirSync(join(cache, 'syncbn'))).toEqual([]);
  });
});
