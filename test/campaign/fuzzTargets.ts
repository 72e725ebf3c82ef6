// What the fuzzing damages: a valid file of each format, and the code that reads it. A reader does
// everything that a run does before it starts threads.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from '@msgpack/msgpack';
import { headOf } from '../../src/checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { Flags } from '../../src/cli/settings/flags.ts';
import { runOptionsFrom } from '../../src/cli/settings/settings.ts';
import { resultWith } from '../../src/experiments/engine/resultSchema.ts';
import { openResults } from '../../src/experiments/engine/resultsFile.ts';
import { type Dataset, nn, optim, synthetic, Trainer, UsageError } from '../../src/index.ts';
import { planRun } from '../../src/plan/plan.ts';
import { resumeConfig } from '../../src/runtime/resume.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { oldCheckpointFile } from '../support/oldCheckpoint.ts';
import type { Dice } from './dice.ts';
import { dataTargets } from './fuzzData.ts';
import { packedTarget } from './fuzzFormats.ts';
import { onnxTarget } from './fuzzOnnx.ts';
import { safetensorsTarget } from './fuzzSafetensors.ts';
import type { Target } from './fuzzTarget.ts';
import { mutateBytes, mutateData } from './mutations.ts';

/** Set by code in damaged files, if it ever runs. */
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
    ...dataTargets(folder),
    await packedTarget(folder),
    safetensorsTarget(folder),
    await onnxTarget(),
    modelTarget(folder, data),
    resultsTarget(folder),
    flagsTarget(data),
  ];
}

/** The model of all targets: a layer of each kind that has something to check. */
function richModel() {
  return nn.sequential([
    nn.conv2d(2, 4, { kernel: 3, padding: 1, groups: 2 }),
    nn.batchNorm(4, { sync: 'all' }),
    nn.residual(nn.sequential([nn.conv2d(4, 4, { kernel: 1 }), nn.groupNorm(1, 4)]), null),
    nn.maxPool({ kernel: 2 }),
    nn.dropout2d(0.2),
    nn.dropout(0.2),
    nn.leakyRelu(),
    nn.elu(),
    nn.prelu({ numParameters: 4 }),
    nn.dropPath(0.1),
    nn.flatten(),
    nn.layerNorm([36]),
    nn.reshape([6, 6]),
    nn.lstm(6, 6, { norm: 'layer', forgetBias: 1, returnSequence: true }),
    nn.gru(6, 4, { norm: 'layer' }),
    nn.linear(4, 3),
  ]);
}

async function checkpointTargets(folder: string, data: Dataset): Promise<Target[]> {
  const path = join(folder, 'seed.ckpt');
  const trainer = await Trainer.start({
    ...{ model: richModel(), data, replicas: 2, workers: 1, globalBatch: 8, seed: 3 },
    optimizer: optim.adamw(),
    schedule: optim.schedules.step({ milestones: [2, 4] }),
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
    // Their checksums are valid, but their contents are wrong.
    target('checkpoint bytes', (dice) => withDigest(mutateBytes(dice, bytes.subarray(0, -32)))),
    target('checkpoint structure', (dice) =>
      withStructure(bytes, mutateData(dice, withTrap(dice, headOf(saved)))),
    ),
    target('checkpoint of 0.1', (dice) => mutateBytes(dice, oldCheckpointFile(saved))),
    // Files with valid checksums and wrong settings or models, but correct tensors.
    target('checkpoint content', (dice) => {
      const changed = mutateData(dice, withTrap(dice, content)) as object;
      return oldCheckpointFile({ ...changed, tensors });
    }),
  ];
}

/** A checkpoint with another structure before its values, and a valid checksum. */
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

/** Sometimes a layer of the model is code. */
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
          const options = await runOptionsFrom(flags, data);
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
          const options = await runOptionsFrom(flags, data);
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
