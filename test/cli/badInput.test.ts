import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--replicas', '4'];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-bad-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs and expects exit code 2, this message, and no stack. */
async function expectRefusal(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr } = await syncbn(args);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^syncbn: /);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(code).toBe(2);
}

/** An IDX file: 8-bit values, sizes, then data. */
function idx(sizes: readonly number[], countBytes: number, magic = 0x0800): Uint8Array {
  const bytes = Buffer.alloc(4 + 4 * sizes.length + countBytes);
  bytes.writeUInt32BE(magic + sizes.length, 0);
  for (const [i, size] of sizes.entries()) bytes.writeUInt32BE(size, 4 + 4 * i);
  return bytes;
}

/** A folder with an IDX dataset of 4 + 4 images of 4x4, some of its files replaced. */
async function idxFolder(
  name: string,
  replaced: Readonly<Record<string, Uint8Array | null>>,
): Promise<string> {
  const dir = join(folder, name);
  await mkdir(dir);
  const files: Record<string, Uint8Array | null> = {
    'train-images-idx3-ubyte': idx([4, 4, 4], 64),
    'train-labels-idx1-ubyte': idx([4], 4),
    't10k-images-idx3-ubyte': idx([4, 4, 4], 64),
    't10k-labels-idx1-ubyte': idx([4], 4),
    ...replaced,
  };
  for (const [file, bytes] of Object.entries(files)) {
    if (bytes !== null) await writeFile(join(dir, file), bytes);
  }
  return dir;
}

describe('exit code 2 and a clear error are the response to', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['an unknown flag', ['--replica', '4'], /no flag --replica\..*--replicas/],
    [
      'fewer grains than workers',
      ['--workers', '9', '--batch', '8'],
      /workers: expected .*8 grains.*, got 9/,
    ],
    [
      'more parts than grains',
      ['--micro-batches', '9', '--batch', '8'],
      /microBatches: .*8 grains/,
    ],
    ['parts that are none', ['--micro-batches', 'few'], /--micro-batches: expected a whole/],
    ['grains that are none', ['--grains', '0'], /--grains: expected .*from 1.*, got 0/],
    ['a batch of 0', ['--batch', '0'], /--batch: expected .*from 1.*, got 0/],
    ['a number that is none', ['--lr', 'high'], /--lr: expected .*, got "high"/],
    ['an unknown norm', ['--norm', 'batch'], /--norm: expected .*sync, local.*, got "batch"/],
    ['an unknown model', ['--model', 'vgg'], /name of a model: expected .*mnist-cnn.*, got "vgg"/],
    ['an argument', ['mnist'], /arguments of syncbn train/],
    ['a group size without sync', ['--norm', 'local', '--group-size', '2'], /--group-size/],
    ['a missing checkpoint', ['--resume', '/nowhere/x.ckpt'], /checkpoint .*ENOENT/],
    ['a checkpoint that cannot be written', ['--checkpoint', '/nowhere/x.ckpt'], /x\.ckpt.*ENOENT/],
    ['a folder that is a file', ['--checkpoint', '/etc/hostname/x.ckpt'], /x\.ckpt.*ENOTDIR/],
    ['a log that cannot be written', ['--log', '/nowhere/x.jsonl'], /--log .*ENOENT/],
  ])('%s', async (_, args, message) => {
    await expectRefusal([...tiny, ...args], message);
  });

  it('more training images than there are', async () => {
    const args = ['train', '--data', 'synthetic', '--limit', '99999'];
    await expectRefusal(args, /training samples.*99999/);
  });

  it('more replicas than any plan can have', async () => {
    const args = ['train', '--data', 'synthetic', '--replicas', '70000'];
    await expectRefusal(args, /--replicas: expected .* to 65536.*, got "?70000/);
  });

  it('output files that are the same file, even under different names', async () => {
    const dir = await idxFolder('written-over', {});
    const path = join(folder, 'one.out');
    const other = join(folder, '..', basename(folder), 'one.out');
    const model = join(folder, 'net.json');
    await writeFile(model, '{"kind":"sequential","layers":[]}');
    const labels = join(dir, 't10k-labels-idx1-ubyte');
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['--report', path, '--trace', other], /--report .*one\.out would write over --trace/],
      [['--log', path, '--checkpoint', other], /--log .*would write over --checkpoint/],
      [
        ['--trace', path, '--resume-or-start', path],
        /--trace .*would write over --resume-or-start/,
      ],
      [['--log', model, '--model', model], /--log .*net\.json would write over --model/],
      [['--data', dir, '--report', labels], /--report .*labels.*write over the data of --data/],
    ];
    for (const [args, message] of cases) {
      const before = await readFile(labels);
      const start = args.includes('--data') ? ['train'] : tiny;
      await expectRefusal([...start, ...args], message);
      expect(await readFile(labels)).toEqual(before);
      expect(await readFile(model, 'utf8')).toContain('sequential');
    }
    // A device is not a file that could be lost.
    const devices = ['--log', '/dev/null', '--report', '/dev/null', '--trace', '/dev/null'];
    expect((await syncbn([...tiny, ...devices, '--max-steps', '1'])).code).toBe(0);
  });

  it('an unknown command, and no command', async () => {
    await expectRefusal(['trian'], /has no command trian\. Try: syncbn train/);
    expect((await syncbn([])).code).toBe(2);
  });

  it.each<[string, Readonly<Record<string, Uint8Array | null>>, RegExp]>([
    ['missing', { 't10k-labels-idx1-ubyte': null }, /t10k-labels/],
    [
      'truncated',
      { 'train-images-idx3-ubyte': idx([4, 4, 4], 60) },
      /train-images.*truncated|bytes/,
    ],
    [
      'with a wrong magic',
      { 'train-labels-idx1-ubyte': idx([4], 4, 0x0a00) },
      /magic.*train-labels/,
    ],
    ['of another number', { 'train-labels-idx1-ubyte': idx([5], 5) }, /labels.*5|5.*labels/],
  ])('an IDX file that is %s', async (name, replaced, message) => {
    const dir = await idxFolder(name.replaceAll(' ', '-'), replaced);
    await expectRefusal(['train', '--data', dir, '--batch', '2', '--workers', '1'], message);
  });

  it('a model whose shapes do not fit, naming the layer and both shapes', async () => {
    const path = join(folder, 'model.json');
    const layers = [
      { kind: 'conv2d', inChannels: 3, outChannels: 8, kernel: 3 },
      { kind: 'batchNorm', channels: 16 },
    ];
    await writeFile(path, JSON.stringify({ kind: 'sequential', layers }));
    await expectRefusal(
      [...tiny, '--model', path],
      /1\.batchNorm: expected .*16 channels.*, got "\?x\?x8"/,
    );
  });

  it('a checkpoint of other data or models, contradicted, finished, or truncated', async () => {
    const path = join(folder, 'good.ckpt');
    expect((await syncbn([...tiny, '--checkpoint', path])).code).toBe(0);
    const resume = [...tiny, '--resume', path, '--epochs', '2'];
    await expectRefusal(['train', '--resume', path, '--epochs', '2'], /data to resume.*mnist/);
    await expectRefusal([...resume, '--model', 'refnet'], /--model with --resume.*"refnet"/);
    await expectRefusal([...resume, '--group-size', '2'], /--group-size with --resume/);
    await expectRefusal([...resume, '--lr', '0.5'], /--lr with --resume.*0\.1.*0\.5/);
    const bytes = await readFile(path);
    const cut = join(folder, 'cut.ckpt');
    for (const length of [0, 1, 100, bytes.length - 1]) {
      await writeFile(cut, bytes.subarray(0, length));
      await expectRefusal([...tiny, '--resume', cut], /cut\.ckpt/);
    }
  });
});
