// What the fuzzing damages: a whole file of each format, and what reads it. A reader goes as far as
// a run would go before it starts threads.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import { Flags } from '../../src/cli/flags.ts';
import { modelFrom, trainerOptionsFrom } from '../../src/cli/settings.ts';
import { resultWith } from '../../src/experiments/resultSchema.ts';
import { openResults } from '../../src/experiments/resultsFile.ts';
import {
  type Dataset,
  nn,
  openDataset,
  optim,
  synthetic,
  Trainer,
  UsageError,
} from '../../src/index.ts';
import { resumeConfig } from '../../src/runtime/resume.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { headOf } from '../../src/train/checkpoint.ts';
import { readCheckpoint } from '../../src/train/checkpointFile.ts';
import { planRun } from '../../src/train/plan.ts';
import type { Dice } from './dice.ts';
import { mutateBytes, mutateData } from './mutations.ts';
import { oldCheckpointFile } from './oldCheckpoint.ts';

/** One damaged input on its way to its reader. */
export interface Attempt {
  /** What to look at when it goes wrong. */
  readonly input: Uint8Array | string;
  /** Resolves or throws a UsageError; anything else is a fault. */
  read(): Promise<unknown>;
}

export interface Target {
  readonly format: string;
  attempt(dice: Dice): Attempt;
}

/** Set by code in damaged files, if it should ever run. */
const TRAP = 'syncbnCampaignTrap';
const TRAP_MODULE = `data:text/javascript,globalThis.${TRAP}=true;export default()=>({});//`;

/** Whether code from a file has run since the last time. Each module runs once, so its URL must
 * not come twice. */
export function codeHasRun(): boolean {
  const world = globalThis as Record<string, unknown>;
  const hasRun = world[TRAP] !== undefined;
  delete world[TRAP];
  return hasRun;
}

/** All targets, with their files in the folder. */
export async function openTargets(folder: string): Promise<readonly Target[]> {
  const data = synthetic({ train: 24, test: 6, shape: [6, 6, 2], classes: 3, seed: 2 });
  return [
    ...(await checkpointTargets(folder, data)),
    folderTarget(
      folder,
      'idx',
      idxFolder((bytes) => bytes),
    ),
    folderTarget(folder, 'idx.gz', idxFolder(gzipSync, '.gz'), gzipInside),
    folderTarget(folder, 'npy', npyFolder()),
    folderTarget(folder, 'cifar', cifarFolder()),
    modelTarget(folder, data),
    resultsTarget(folder),
    flagsTarget(data),
  ];
}

/** The model of all targets: a layer of each kind that has something to check. */
function richModel() {
  return nn.sequential([
    nn.conv2d(2, 4, { kernel: 3, padding: 1, groups: 2 }),
    nn.batchNorm(4, { sync: 'sync' }),
    nn.residual(nn.sequential([nn.conv2d(4, 4, { kernel: 1 }), nn.groupNorm(1, 4)]), null),
    nn.maxPool({ kernel: 2 }),
    nn.dropout(0.2),
    nn.leakyRelu(),
    nn.flatten(),
    nn.layerNorm([36]),
    nn.reshape([6, 6]),
    nn.gru(6, 4, { norm: 'layer' }),
    nn.linear(4, 3),
  ]);
}

async function checkpointTargets(folder: string, data: Dataset): Promise<Target[]> {
  const path = join(folder, 'seed.ckpt');
  const trainer = await Trainer.start({
    ...{ model: richModel(), data, replicas: 2, workers: 1, batch: 8, seed: 3 },
    optimizer: optim.adamw(),
    schedule: optim.step({ milestones: [2, 4] }),
    augmentation: { shift: 1, flip: true },
    onNotice: () => {},
  });
  try {
    for await (const _ of trainer.fit({ epochs: 2, maxSteps: 2 }));
    await trainer.save(path);
  } finally {
    await trainer.close();
  }
  const saved = await readCheckpoint(path);
  const bytes = new Uint8Array(readFileSync(path));
  const broken = join(folder, 'broken.ckpt');
  const resume = async (checkpoint: typeof saved): Promise<void> => {
    const { config } = await resumeConfig('the checkpoint', checkpoint, { data, workers: 1 });
    planRun(config);
  };
  const target = (format: string, inputOf: (dice: Dice) => Uint8Array): Target => ({
    format,
    attempt(dice) {
      const input = inputOf(dice);
      return {
        input,
        async read() {
          writeFileSync(broken, input);
          await resume(await readCheckpoint(broken));
        },
      };
    },
  });
  const { tensors, ...content } = saved;
  return [
    target('checkpoint', (dice) => mutateBytes(dice, bytes)),
    // Whole by their checksum: what stands in them lies.
    target('checkpoint bytes', (dice) => withDigest(mutateBytes(dice, bytes.subarray(0, -32)))),
    target('checkpoint structure', (dice) =>
      withStructure(bytes, mutateData(dice, withTrap(dice, headOf(saved)))),
    ),
    target('checkpoint of 0.1', (dice) => mutateBytes(dice, oldCheckpointFile(saved))),
    // Whole files whose content lies: the settings and the model, not the tensors.
    target('checkpoint content', (dice) => {
      const changed = mutateData(dice, withTrap(dice, content)) as object;
      return oldCheckpointFile({ ...changed, tensors });
    }),
  ];
}

/** A checkpoint with another structure before its values, whole again. */
function withStructure(file: Uint8Array, structure: unknown): Uint8Array {
  const padded = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const { buffer, byteOffset } = file;
  const length = new DataView(buffer, byteOffset).getUint32(12, true);
  const encoded = encode(structure, { maxDepth: 2000 });
  const start = Buffer.alloc(padded(16 + encoded.length));
  start.set(file.subarray(0, 12));
  start.writeUInt32LE(encoded.length, 12);
  start.set(encoded, 16);
  return withDigest(Buffer.concat([start, file.subarray(padded(16 + length), -32)]));
}

function withDigest(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]));
}

/** Now and then a layer of the model is code. */
function withTrap<T extends { readonly model: unknown }>(dice: Dice, content: T): T {
  if (!dice.chance(0.1)) return content;
  const model = structuredClone(content.model) as { layers: unknown[] };
  model.layers.unshift({
    kind: 'custom',
    module: `${TRAP_MODULE}${dice.below(2 ** 31)}`,
    options: null,
  });
  return { ...content, model };
}

function modelTarget(folder: string, data: Dataset): Target {
  const path = join(folder, 'model.json');
  return {
    format: 'model',
    attempt(dice) {
      const { model } = withTrap(dice, { model: richModel() as unknown });
      const text = textOf(dice.chance(0.7) ? mutateData(dice, model) : model);
      const bytes = dice.chance(0.4) ? mutateBytes(dice, Buffer.from(text)) : Buffer.from(text);
      return {
        input: new Uint8Array(bytes),
        async read() {
          writeFileSync(path, bytes);
          const flags = new Flags({ model: path, norm: 'none' });
          const options = trainerOptionsFrom(flags, data, await modelFrom(flags, data));
          planRun(resolveOptions({ ...options, workers: 1 }));
        },
      };
    },
  };
}

function flagsTarget(data: Dataset): Target {
  const good: Readonly<Record<string, unknown>> = {
    ...{ model: 'refnet', norm: 'sync', groupSize: '2', replicas: '4', batch: '16' },
    ...{ optimizer: 'sgd', lr: '0.1', momentum: '0.9', weightDecay: '0.01', nesterov: true },
    ...{ schedule: 'step', stepSize: '3', gamma: '0.5', warmupSteps: '2', clipNorm: '1' },
    ...{ labelSmoothing: '0.1', shift: '1', flip: true, seed: '1', strict: true, workers: '1' },
  };
  return {
    format: 'flags',
    attempt(dice) {
      const changed: Record<string, unknown> = { ...good };
      for (let n = dice.between(1, 4); n > 0; n--) {
        const flag = dice.pick(Object.keys(good));
        const odd = [
          '',
          '-1',
          '1e9',
          '0',
          'NaN',
          'Infinity',
          '0x10',
          '1e-400',
          '99999999999999999',
        ];
        const values = [undefined, true, false, 'x', '1'.repeat(400), ['1', '2'], ...odd];
        changed[flag] = dice.pick(values);
      }
      return {
        input: show(changed),
        async read() {
          const flags = new Flags(changed);
          const options = trainerOptionsFrom(flags, data, await modelFrom(flags, data));
          planRun(resolveOptions(options));
        },
      };
    },
  };
}

function resultsTarget(folder: string): Target {
  const dir = join(folder, 'results');
  const owner = { experiment: 'small-batch', version: '0.1.0' };
  const lines = [1, 2, 3].map((seed) =>
    JSON.stringify({
      ...owner,
      settings: { seed, norm: 'sync', batch: 2 },
      values: { testAccuracy: 0.5 + seed / 100, curve: [1, 0.5] },
      timings: { ms: 12 },
    }),
  );
  mkdirSync(dir);
  return {
    format: 'results',
    attempt(dice) {
      const damaged = lines.map((line) =>
        dice.chance(0.5) ? textOf(mutateData(dice, JSON.parse(line))) : line,
      );
      const text = Buffer.from(`${damaged.join('\n')}\n`);
      const input = dice.chance(0.6) ? mutateBytes(dice, text) : new Uint8Array(text);
      return {
        input,
        async read() {
          rmSync(dir, { recursive: true });
          mkdirSync(dir);
          writeFileSync(join(dir, 'results.jsonl'), input);
          const resultSchema = () => resultWith(['testAccuracy'], { curve: 1 }, ['ms']);
          const results = await openResults(dir, { ...owner, resultSchema });
          for (const seed of [1, 2]) results.find({ seed, norm: 'sync', batch: 2 });
          results.close();
        },
      };
    },
  };
}

/** One file of a data folder is damaged, the others stay whole. */
function folderTarget(
  folder: string,
  format: string,
  files: Readonly<Record<string, Uint8Array>>,
  damage: (dice: Dice, bytes: Uint8Array) => Uint8Array = mutateBytes,
): Target {
  const dir = join(folder, format);
  mkdirSync(dir);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  const names = Object.keys(files);
  return {
    format,
    attempt(dice) {
      const name = dice.pick(names);
      const input = damage(dice, files[name]!);
      return {
        input,
        async read() {
          writeFileSync(join(dir, name), input);
          try {
            const data = await openDataset(dir);
            resolveOptions({
              ...{ data, replicas: 1, workers: 1, batch: 2, optimizer: optim.adam() },
              model: nn.sequential([
                nn.flatten(),
                nn.linear(
                  sizeOf(data),
                  data.task.kind === 'classification' ? data.task.classes : 1,
                ),
              ]),
            });
          } finally {
            writeFileSync(join(dir, name), files[name]!);
          }
        },
      };
    },
  };
}

function sizeOf({ inputShape }: Dataset): number {
  return inputShape.reduce((product, size) => product * size, 1);
}

function idxFolder(
  pack: (bytes: Uint8Array) => Uint8Array,
  suffix = '',
): Record<string, Uint8Array> {
  const idx = (shape: readonly number[], at: (i: number) => number): Uint8Array => {
    const header = Buffer.alloc(4 + 4 * shape.length);
    header.set([0, 0, 8, shape.length]);
    shape.forEach((size, i) => {
      header.writeUInt32BE(size, 4 + 4 * i);
    });
    const size = shape.reduce((product, axis) => product * axis, 1);
    return pack(Buffer.concat([header, Uint8Array.from({ length: size }, (_, i) => at(i))]));
  };
  return {
    [`train-images-idx3-ubyte${suffix}`]: idx([12, 4, 5], (i) => i),
    [`train-labels-idx1-ubyte${suffix}`]: idx([12], (i) => i % 3),
    [`t10k-images-idx3-ubyte${suffix}`]: idx([5, 4, 5], (i) => 3 * i),
    [`t10k-labels-idx1-ubyte${suffix}`]: idx([5], (i) => i % 3),
  };
}

/** Half of the time the damage is inside a stream that unpacks well. */
function gzipInside(dice: Dice, packed: Uint8Array): Uint8Array {
  if (dice.chance(0.5)) return mutateBytes(dice, packed);
  const bytes = mutateBytes(dice, gunzipSync(packed));
  const zeros = dice.chance(0.02)
    ? Buffer.alloc(dice.pick([1, 20, 200]) * 2 ** 20)
    : Buffer.alloc(0);
  return gzipSync(Buffer.concat([bytes, zeros]), { level: 1 });
}

function npyFolder(): Record<string, Uint8Array> {
  const npy = (descr: string, shape: string, values: ArrayBufferView): Uint8Array => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
    const padded = `${text}${' '.repeat(63 - ((10 + text.length) % 64))}\n`;
    const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length, 0]);
    const body = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return Buffer.concat([head, Buffer.from(padded, 'latin1'), body]);
  };
  const floats = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i / 7);
  const labels = (n: number): BigInt64Array =>
    BigInt64Array.from({ length: n }, (_, i) => BigInt(i % 3));
  return {
    'x_train.npy': npy('<f4', '(12, 6)', floats(72)),
    'y_train.npy': npy('<i8', '(12,)', labels(12)),
    'x_test.npy': npy('<f4', '(5, 6)', floats(30)),
    'y_test.npy': npy('<i8', '(5,)', labels(5)),
  };
}

function cifarFolder(): Record<string, Uint8Array> {
  const record = (label: number): Uint8Array =>
    Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? label : (i * label) % 256));
  const batches = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, record(i)] as const);
  return { ...Object.fromEntries(batches), 'test_batch.bin': record(7) };
}

function show(data: unknown): string {
  return textOf(data).slice(0, 20_000);
}

/** JSON of data of any depth, which JSON.stringify does not take. */
function textOf(data: unknown): string {
  const parts: string[] = [];
  const open: unknown[] = [data];
  const closing = new Set<unknown>();
  const close = (text: string): object => {
    const mark = { text };
    closing.add(mark);
    return mark;
  };
  while (open.length > 0) {
    const next = open.pop();
    if (closing.has(next)) {
      parts.push((next as { text: string }).text);
    } else if (Array.isArray(next)) {
      const items = next.flatMap((item, i) => (i === 0 ? [item] : [close(','), item]));
      open.push(close(']'), ...items.reverse(), close('['));
    } else if (typeof next === 'object' && next !== null) {
      const items = Object.entries(next).flatMap(([key, value], i) => [
        close(`${i === 0 ? '' : ','}${JSON.stringify(key)}:`),
        value,
      ]);
      open.push(close('}'), ...items.reverse(), close('{'));
    } else parts.push(JSON.stringify(next) ?? 'null');
  }
  return parts.join('');
}

/** Whether an error is one that a damaged file may end with. */
export function isAllowed(error: unknown): boolean {
  return error instanceof UsageError;
}
