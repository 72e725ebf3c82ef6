// What users of other libraries type, and the resulting errors.

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';

const { launch, nn, optim, synthetic, Trainer, UsageError } = library;
const data = synthetic({ train: 16, test: 8, shape: [4, 4, 1], classes: 2, seed: 1 });
const model = nn.sequential([nn.flatten(), nn.linear(16, 2)]);
const options = { model, data, replicas: 2, globalBatch: 8, workers: 1, optimizer: optim.adam() };

let folder: string;
let path: string;
let trainer: library.Trainer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-refusals-'));
  path = join(folder, 'run.ckpt');
  trainer = await Trainer.start(options);
  await trainer.save(path);
});
afterAll(async () => {
  await trainer.close();
  rmSync(folder, { recursive: true });
});

/** Calls as JavaScript has them, without types. */
const untyped = {
  start: (given?: unknown) => Trainer.start(given as never),
  resume: (...given: unknown[]) => Trainer.resume(...(given as [never, never])),
  launch: (...given: unknown[]) => launch(...(given as [never, never])),
  sgd: async (given?: unknown) => optim.sgd(given as never),
  fit: async (given?: unknown) => {
    for await (const _ of trainer.fit(given as never));
  },
};

describe('refused, with what to type instead', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['sgd()', () => untyped.sgd(), /sgd.*Try: .*lr: 0\.1/],
    [
      'sgd({ weight_decay })',
      () => untyped.sgd({ lr: 0.1, weight_decay: 0.1 }),
      /weight_decay.*Try: weightDecay/,
    ],
    [
      "optimizer: 'adam'",
      () => untyped.start({ ...options, optimizer: 'adam' }),
      /optimizer.*adam/,
    ],
    [
      "an optimizer's kind that is not known",
      () => untyped.start({ ...options, optimizer: { kind: 'adan', lr: 0.1 } }),
      /adan.*adam/,
    ],
    ['a rate as text', () => untyped.sgd({ lr: '0.1' }), /lr: expected .*number.*, got "0\.1"/],
    [
      "schedule: 'cosine'",
      () => untyped.start({ ...options, schedule: 'cosine' }),
      /schedule.*Try: optim\.schedules\.cosine\(\)/,
    ],
    ['start()', () => untyped.start(), /Trainer\.start/],
    [
      'start() without an optimizer',
      () => untyped.start({ model, data }),
      /optimizer: expected an optimizer, such as optim\.sgd\(\{ lr: 0\.1 \}\), got undefined/,
    ],
    [
      'start() without a model',
      () => untyped.start({ ...options, model: undefined }),
      /model: expected a layer, such as nn\.sequential/,
    ],
    [
      'start() without data',
      () => untyped.start({ ...options, data: undefined }),
      /data: expected a dataset, such as await openDataset\('mnist'\)/,
    ],
    [
      'data without await',
      () => untyped.start({ ...options, data: Promise.resolve(data) }),
      /Trainer\.start data is a promise\. Try: await before it/,
    ],
    [
      "model: 'resnet18'",
      () => untyped.start({ ...options, model: 'resnet18' }),
      /Try: nn\.namedModel\("resnet18", \{ inputShape, classes \}\)/,
    ],
    [
      'a list of layers as a model',
      () => untyped.start({ ...options, model: [model] }),
      /Try: nn\.sequential\(\[\.\.\.\]\) with these layers/,
    ],
    [
      'fromArrays without targets',
      async () => library.fromArrays({ inputs: [[1]] } as never),
      /targets: expected a list or typed array of numbers/,
    ],
    [
      "openDataset('minst')",
      () => library.openDataset('minst'),
      /minst is unknown: expected mnist, .*, or an existing file or folder\. Try: mnist\./,
    ],
    ['loadModel()', () => library.loadModel(undefined as never), /a checkpoint, got undefined/],
    [
      'exportOnnx()',
      () => library.exportOnnx(undefined as never),
      /expected the path of a checkpoint, or an object with model, weights and inputShape, got/,
    ],
    [
      'resume of no file',
      () => untyped.resume(`${path}x`, { data }),
      /^checkpoint .*run\.ckptx does not exist \(ENOENT\)\.$/,
    ],
    [
      'start({ globalBach })',
      () => untyped.start({ ...options, globalBach: 4 }),
      /Try: globalBatch/,
    ],
    ['start({ batch, globalBatch })', () => untyped.start({ ...options, batch: 4 }), /is an alias/],
    ['resume(path)', () => untyped.resume(path), /Trainer\.resume.*\{ data \}/],
    [
      'resume with grains',
      () => untyped.resume(path, { data, grains: 4 }),
      /grains is decided by the checkpoint/,
    ],
    ['fit()', () => untyped.fit(), /fit.*epochs/],
    ['fit({ maxSteps: NaN })', () => untyped.fit({ epochs: 1, maxSteps: Number.NaN }), /maxSteps/],
    ["fit({ validate: 'tets' })", () => untyped.fit({ epochs: 1, validate: 'tets' }), /'test'/],
    [
      'fit that validates on nothing',
      () => untyped.fit({ epochs: 1, validate: 'validation' }),
      /no samples.*validationSplit/,
    ],
    [
      'early stopping without validation',
      () => untyped.fit({ epochs: 1, earlyStopping: { patience: 1 } }),
      /earlyStopping of fit needs a validation/,
    ],
    [
      'keepBest without validation',
      () => untyped.fit({ epochs: 1, keepBest: true }),
      /keepBest of fit needs a validation/,
    ],
    [
      'an unknown monitor',
      () => untyped.fit({ epochs: 1, earlyStopping: { patience: 1, monitor: 'los' } }),
      /monitor.*'loss', 'accuracy' or 'meanIou'/,
    ],
    [
      'two monitors',
      () =>
        untyped.fit({
          ...{ epochs: 1, validate: 'test', keepBest: 'accuracy' },
          earlyStopping: { patience: 1, monitor: 'loss' },
        }),
      /keepBest.*which earlyStopping monitors/,
    ],
    [
      'a validation split of everything',
      () => untyped.start({ ...options, validationSplit: 1000 }),
      /validationSplit.*1 to \d+ of \d+ samples/,
    ],
    ['restoreBest() of nothing', async () => trainer.restoreBest(), /none were kept/],
    ["evaluate('valid')", () => trainer.evaluate('valid' as never), /'train'.*'test'.*"valid"/],
    ['launch(function)', () => untyped.launch(() => 1, { workers: 1 }), /launch.*URL/],
    ['launch(…, { worker })', () => untyped.launch('job.mjs', { worker: 2 }), /worker.*workers/],
  ])('%s', async (_, call, message) => {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  it('and the trainer is unchanged', async () => {
    expect((await trainer.evaluate()).count).toBe(8);
  });
});
