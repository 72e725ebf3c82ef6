// Folders of photos packed into sets: which files, which bytes, and that a set does not change.

import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { packImages } from '../../src/data/images/pack.ts';
import { openDataset } from '../../src/data/open.ts';
import { surveyDataset } from '../../src/data/survey.ts';
import { syncbn } from '../support/cli.ts';
import { folderOf } from '../support/dataFiles.ts';
import { pngBytes } from '../support/pngBytes.ts';

/** 16 x 8 colors, by Pillow 9.4 with quality 60 (4:2:0), whose decoder gives bytes of this CRC. */
const JPEG = Buffer.from(
  [
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt',
    'QFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09P',
    'T09PT09PT09PT09PT09PT09PT0//wAARCAAIABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAeEAAC',
    'AAYDAAAAAAAAAAAAAAAAIQECBAYREgMjUf/EABUBAQEAAAAAAAAAAAAAAAAAAAIG/8QAHREAAQMFAQAAAAAAAAAAAAAA',
    'AQIRIQADBAVBcf/aAAwDAQACEQMRAD8Ai0Nv8WvZI8+RKlPb8NlIspAE5lbC6pAQwDdaT7R1WZeia//Z',
  ].join(''),
  'base64',
);
const JPEG_CRC = 2827736544;

/** A gray image of 3 x 2 pixels, all of one value. */
const gray = (value: number): Uint8Array =>
  pngBytes({ width: 2, height: 3, values: new Array(6).fill(value) });
const animals = {
  'cat/b.png': gray(2),
  'cat/a/a.PNG': gray(1),
  'dog/c.png': gray(3),
  'dog/.hidden.png': gray(9),
};

async function packed(files: Record<string, Uint8Array>, ...options: object[]) {
  const dir = await folderOf(files);
  const out = join(await folderOf({}), 'set');
  const report = await packImages(dir, out, Object.assign({}, ...options));
  return { out, report, data: await openDataset(out) };
}

describe('folders of images by class', () => {
  it('become a set with the classes in the order of their names', async () => {
    const { data, report } = await packed({ ...animals, 'notes.txt': Buffer.from('x') });
    expect(report).toMatchObject({ kind: 'classes', train: 3, test: 0, classes: 2 });
    expect(report.notices).toEqual(['Not read: notes.txt.']);
    expect(data).toMatchObject({
      name: 'set',
      inputShape: [3, 2, 1],
      inputType: 'u8',
      task: { kind: 'classification', classes: 2 },
      classNames: ['cat', 'dog'],
    });
    expect([...data.train.targets]).toEqual([0, 0, 1]);
    expect([...data.train.inputs]).toEqual([1, 2, 3].flatMap((v) => new Array(6).fill(v)));
    expect(surveyDataset(data).classes[1]).toEqual({ label: 1, name: 'dog', train: 1, test: 0 });
  });

  it('may be links to folders', async () => {
    const elsewhere = await folderOf(animals);
    const dir = await folderOf({ 'ant/x.png': gray(4) });
    await symlink(join(elsewhere, 'cat'), join(dir, 'cat'));
    const out = join(await folderOf({}), 'set');
    const { classNames, train } = await packImages(dir, out);
    expect([classNames, train]).toEqual([['ant', 'cat'], 3]);
  });

  it('use test or val as test split, or else a share by class', async () => {
    const moved = Object.entries(animals).map(([name, bytes]) => [`train/${name}`, bytes] as const);
    const { data, report } = await packed({
      ...Object.fromEntries(moved),
      'val/dog/z.png': gray(7),
      'test.csv': Buffer.from(''),
    });
    expect(report.notices).toEqual(['Not read: test.csv.']);
    expect([...data.test.targets, ...data.test.inputs.subarray(0, 1)]).toEqual([1, 7]);
    const { data: drawn } = await packed(animals, { testSplit: 1 });
    expect([drawn.train.count, drawn.test.count]).toEqual([2, 1]);
  });

  it('keep the bytes that other decoders see', async () => {
    const { data } = await packed({ 'a/x.jpg': JPEG });
    expect(data.inputShape).toEqual([8, 16, 3]);
    expect(crc32(data.train.inputs as Uint8Array)).toBe(JPEG_CRC);
    const palette = { width: 2, height: 1, kind: 'palette', values: [1, 0] } as const;
    const chunks = [['PLTE', [9, 8, 7, 1, 2, 3]]] as const;
    const { data: colors } = await packed({ 'a/x.png': pngBytes({ ...palette, chunks }) });
    expect([...colors.train.inputs]).toEqual([1, 2, 3, 9, 8, 7]);
    const wide = pngBytes({ width: 1, height: 2, bits: 16, values: [0x1234, 0xff00] });
    const { data: halved } = await packed({ 'a/x.png': wide });
    expect([...halved.train.inputs]).toEqual([18, 254]);
  });

  it('rotate images as displayed, and drop transparency with a notice', async () => {
    const values = [10, 255, 20, 128];
    const clear = pngBytes({ width: 2, height: 1, kind: 'grayAlpha', values });
    const { data, report } = await packed({ 'a/x.png': clear });
    expect([...data.train.inputs]).toEqual([10, 20]);
    expect(report.notices).toEqual(['The transparency of 1 images is dropped.']);
    const turned = await sharp(gray(5)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect((await packed({ 'a/x.jpg': turned })).data.inputShape).toEqual([2, 3, 3]);
  });

  it('are resized only if requested', async () => {
    const files = { 'a/x.png': gray(5), 'b/y.jpg': JPEG };
    await expect(packed(files)).rejects.toThrow(
      /^the size of .*y.jpg: expected 3x2, as .*x.png has.*, got "8x16".*--size/,
    );
    const { data } = await packed(files, { size: [4, 4] });
    expect(data.inputShape).toEqual([4, 4, 3]);
    expect([...data.train.inputs.subarray(0, 48)]).toEqual(new Array(48).fill(5));
    const bars = await packed(files, { size: [4, 4], fit: 'contain', isGray: true });
    expect([...bars.data.train.inputs.subarray(0, 4)].slice(-1)).toEqual([0]);
  });

  const broken = JPEG.subarray(0, 250);
  const cases: [string, Record<string, Uint8Array>, RegExp][] = [
    [
      'text',
      { 'a/x.png': Buffer.from('no image') },
      /x.png: expected .*, got "another kind of file"/,
    ],
    [
      'SVG',
      { 'a/x.jpg': Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') },
      /another kind/,
    ],
    ['a cut JPEG', { 'a/x.jpg': broken }, /x.jpg: expected a whole image.*, got ".*"/],
    ['a cut PNG', { 'a/x.png': gray(1).subarray(0, 50) }, /x.png: expected/],
    ['a folder of nothing', { 'a/x.txt': broken }, /folders of JPEG, PNG or WebP images by class/],
    ['test classes alone', { 'train/a/x.jpg': JPEG, 'test/b/x.jpg': JPEG }, /^classes in .*"b"/],
  ];
  it.each(cases)('are refused with %s', async (_, files, message) => {
    await expect(packed(files)).rejects.toThrow(UsageError);
    await expect(packed(files)).rejects.toThrow(message);
  });

  it('are bounded by the pixels that a header says', async () => {
    const bomb = gray(1);
    new DataView(bomb.buffer).setUint32(16, 40_000);
    new DataView(bomb.buffer).setUint32(20, 40_000);
    const checked = Buffer.from(bomb.buffer, 12, 17);
    new DataView(bomb.buffer).setUint32(29, crc32(checked));
    await expect(packed({ 'a/x.png': bomb })).rejects.toThrow(/at most 100 million pixels/);
  });
});

describe('images with masks', () => {
  const mask = (values: readonly number[]): Uint8Array =>
    pngBytes({ width: 4, height: 2, values: [...values] });
  const image = (width: number): Promise<Uint8Array> =>
    sharp({ create: { width, height: width / 2, channels: 3, background: '#406080' } })
      .jpeg({ quality: 100 })
      .toBuffer();

  it('may be JPEG next to PNG, resized to the nearest pixel', async () => {
    const files = {
      'images/a.jpg': await image(4),
      'masks/a.png': mask([0, 1, 2, 3, 255, 1, 2, 4]),
    };
    const { data } = await packed(files);
    expect(data.task).toEqual({ kind: 'segmentation', classes: 5, targetShape: [2, 4] });
    expect([...data.train.targets]).toEqual([0, 1, 2, 3, -100, 1, 2, 4]);
    const { data: small } = await packed(files, { size: [1, 2] });
    expect(small).toMatchObject({ inputShape: [1, 2, 3], task: { targetShape: [1, 2] } });
    expect([...small.train.targets]).toEqual([1, 4]);
  });

  it('may be black and white in any format, if requested', async () => {
    const dark = await sharp(mask([0, 0, 0, 0, 0, 0, 0, 0]))
      .jpeg()
      .toBuffer();
    const files = {
      ...{ 'images/a.png': mask([1, 1, 1, 1, 1, 1, 1, 1]), 'masks/a.jpg': dark },
      ...{ 'images/b.png': mask([2, 2, 2, 2, 2, 2, 2, 2]) },
      'masks/b.png': mask([255, 0, 127, 128, 0, 0, 0, 0]),
    };
    await expect(packed(files)).rejects.toThrow(/^the mask .*a.jpg: .*--binary-masks/);
    const { data } = await packed(files, { hasBinaryMasks: true });
    expect([...data.train.targets]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('need a mask with the same name and size, and no rotation', async () => {
    const one = { 'images/a.jpg': await image(4) };
    await expect(packed({ ...one, 'masks/b.png': gray(0) })).rejects.toThrow(/"a, b in one of/);
    await expect(packed({ ...one, 'masks/a.png': gray(0) })).rejects.toThrow(/2x4.*"3x2"/);
    const turned = await sharp(await image(4))
      .withMetadata({ orientation: 3 })
      .jpeg()
      .toBuffer();
    const files = { 'images/a.jpg': turned, 'masks/a.png': mask([0, 0, 0, 0, 0, 0, 0, 0]) };
    await expect(packed(files)).rejects.toThrow(/a.jpg is rotated for display/);
  });
});

describe('a packed set', () => {
  it('is the same data wherever it is, and is refused if it was changed', async () => {
    const [first, second] = [await packed(animals), await packed(animals)];
    const hashOf = ({ data }: typeof first): string => describeDataset(data).contentHash;
    expect(hashOf(first)).toBe(hashOf(second));
    expect((await readdir(first.out)).sort()).toEqual(['set.json', 'x_train.npy', 'y_train.npy']);
    const file = join(first.out, 'x_train.npy');
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    await expect(openDataset(first.out)).rejects.toThrow(/x_train.npy does not match set.json/);
    const manifest = join(second.out, 'set.json');
    for (const text of ['{', '{}', '{"format":"syncbn set","version":2}']) {
      await writeFile(manifest, text);
      await expect(openDataset(second.out)).rejects.toThrow(UsageError);
    }
    const outside = { ...JSON.parse(String(await readFile(join(first.out, 'set.json')))) };
    await writeFile(manifest, JSON.stringify({ ...outside, files: { '../x_train.npy': '' } }));
    await expect(openDataset(second.out)).rejects.toThrow(UsageError);
  });

  it('is never written over', async () => {
    const { out } = await packed(animals);
    await expect(packImages(await folderOf(animals), out)).rejects.toThrow(/already exists/);
  });

  it('is made by the command, which other commands suggest', async () => {
    const dir = await folderOf({ ...animals, 'dog/d.png': gray(4) });
    const out = `${await folderOf({})}/set`;
    const asked = await syncbn(['data', dir]);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining(`syncbn pack ${dir}`)]);
    const flags = ['--size', '4x4', '--fit', 'fill', '--test-split', '0.5', '--json'];
    const { events, code } = await syncbn(['pack', dir, out, ...flags]);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ event: 'packed', inputShape: [4, 4, 1], train: 2, test: 2 });
    expect((await syncbn(['pack', dir, out])).stderr).toContain('already exists');
    expect((await syncbn(['pack', dir])).stderr).toContain(
      'requires a folder of images and a folder to write',
    );
  });
});
