// Every public function and method, called with junk for each argument and option: the call
// succeeds or throws a UsageError, and does nothing worse. A function without a row here fails.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import * as collectives from '../../src/collectives.ts';
import * as library from '../../src/index.ts';
import {
  type Checkpoint,
  type GraphValue,
  type LoadedModel,
  nn,
  optim,
  synthetic,
  type TensorBoard,
  Trainer,
  UsageError,
} from '../../src/index.ts';
import { progress } from '../support/progress.ts';
import { JUNK, misbehaved, OWN_ERROR } from './junk.mjs';
import { type Args, averaging, optimizers, schedules } from './optimRows.ts';

type AnyFunction = (...args: never[]) => unknown;
interface Row {
  readonly args: Args;
  readonly call: (...args: readonly unknown[]) => unknown;
  /** The nesting depth of junk in arguments. */
  readonly depth?: number;
}
type Methods<T> = { [K in keyof T]: T[K] extends AnyFunction ? K : never }[keyof T];

const isRefusal = (error: unknown) => error instanceof UsageError;
const folder = mkdtempSync(join(tmpdir(), 'syncbn-door-'));
const path = join(folder, 'run.ckpt');
const data = synthetic({ train: 8, test: 4, shape: [2, 2, 1], classes: 2 });
const inputs = () => new Float32Array(4);
/** Images of bytes. */
const bytes = () => ({
  ...data,
  inputType: 'u8',
  train: { ...data.train, inputs: new Uint8Array(32) },
  test: { ...data.test, inputs: new Uint8Array(16) },
});
const dataset = () => ({ ...data, train: { ...data.train }, test: { ...data.test } });
const model = nn.sequential([
  nn.flatten(),
  nn.linear(4, 2),
  nn.batchNorm(2, { sync: 2 }),
  nn.residual(nn.linear(2, 2)),
]);
const image = [2, 2, 1];
const regression = () => {
  const { train, test } = data;
  const task = { kind: 'regression', targetShape: [1] };
  const floats = (count: number) => Float32Array.from({ length: count }, (_, i) => i);
  return {
    ...data,
    task,
    train: { ...train, targets: floats(8) },
    test: { ...test, targets: floats(4) },
  };
};
const run = { inputShape: image, replicas: 2, replicaBatch: 2 };

/** A value of a finished graph. */
function graphValue(): GraphValue {
  const values: GraphValue[] = [];
  nn.graph((x) => {
    values.push(x);
    return x;
  });
  return values[0]!;
}

const layers: Readonly<Record<keyof typeof nn, Args>> = {
  adaptiveAvgPool: () => [[2, 2]],
  adaptiveMaxPool: () => [2],
  add: () => [graphValue(), graphValue()],
  avgPool1d: () => [{ kernel: 2, stride: 1, padding: 0 }],
  avgPool: () => [{ kernel: 2, stride: [2, 2], padding: 0 }],
  batchNorm: () => [2, { eps: 1e-5, momentum: 0.1, affine: true, sync: 2 }],
  batchRenorm: () => [2, { rMax: 3, dMax: 5 }],
  binaryCrossEntropy: () => [{ posWeight: [1, 2] }],
  concat: () => [[graphValue(), graphValue()]],
  conv1d: () => [1, 2, { kernel: 3, stride: 1, padding: 1, groups: 1, bias: true }],
  conv2d: () => [1, 2, { kernel: [3, 3], stride: 1, padding: 1, groups: 1, bias: true }],
  convertNorm: () => [model, { to: 'auto', kinds: ['batchNorm'], ...run }],
  convTranspose2d: () => [1, 2, { kernel: 2, stride: [2, 2], outputPadding: 1, bias: true }],
  crossEntropy: () => [{ labelSmoothing: 0.1, classWeights: [1, 2], ignoreIndex: -100 }],
  custom: () => ['some-package', { gain: 2 }],
  customLoss: () => ['some-package', { gain: 2 }],
  directConvolutions: () => [model],
  dropPath: () => [0.5],
  dropout: () => [0.5],
  dropout2d: () => [0.5],
  elu: () => [1],
  filterResponseNorm: () => [2, { eps: 1e-6 }],
  flatten: () => [],
  gelu: () => [{ approximate: 'tanh' }],
  globalAvgPool: () => [],
  globalMaxPool: () => [],
  graph: () => [(x: GraphValue) => x],
  groupNorm: () => [1, 2, { eps: 1e-5, affine: true }],
  gru: () => [2, 3, { norm: 'layer' }],
  hardSigmoid: () => [],
  hardSwish: () => [],
  huber: () => [{ delta: 0.5 }],
  instanceNorm: () => [2, { trackRunningStats: true }],
  l1: () => [],
  layerNorm: () => [[2, 3], { eps: 1e-5 }],
  leakyRelu: () => [0.01],
  linear: () => [4, 2, { bias: true, init: 'kaimingNormal' }],
  lstm: () => [2, 3, { norm: 'layer', forgetBias: true }],
  maxPool1d: () => [{ kernel: 2, stride: 2 }],
  maxPool: () => [{ kernel: 2, stride: 2 }],
  meanSquaredError: () => [],
  multiply: () => [graphValue(), graphValue()],
  split: () => [graphValue(), [[1], [1]]],
  namedModel: () => ['mnist-cnn', { inputShape: [28, 28, 1], classes: 10 }],
  pad: () => [{ top: 1, left: 2 }],
  parseModel: () => [model, 'model'],
  prelu: () => [{ numParameters: 2, init: 0.25 }],
  relu: () => [],
  relu6: () => [],
  reshape: () => [[4]],
  residual: () => [nn.linear(2, 2), nn.linear(2, 2)],
  rmsNorm: () => [2, { eps: 1e-5 }],
  rnn: () => [2, 3, { activation: 'tanh' }],
  sequential: () => [[nn.linear(2, 2), nn.relu()]],
  sigmoid: () => [],
  silu: () => [],
  slice: () => [{ rows: [0, 2], channels: [0, 1] }],
  softmax: () => [],
  tanh: () => [],
  upsample: () => [{ scale: 2, mode: 'bilinear', alignCorners: false }],
};

/** Refused by the last check, so that no variant has to start threads. */
const tooManyWorkers = { workers: 5 };
const startOptions = () => ({
  model,
  data: dataset(),
  optimizer: optim.sgd({ lr: 0.1 }),
  schedule: optim.schedules.cosine(),
  averaging: optim.averaging.ema({ decay: 0.9 }),
  lrScaling: { rule: 'linear', baseBatch: 4 },
  loss: nn.crossEntropy(),
  norm: { to: 'sync', groupSize: 2 },
  augmentation: { maxShift: 1 },
  replicas: 2,
  globalBatch: 4,
  timeoutMs: 60_000,
  startTimeoutMs: 60_000,
  diagnosticsEvery: 1,
  profile: false,
  evalCorrection: 0.5,
  onNonFinite: 'stop',
  elastic: false,
  onNotice: () => undefined,
  allowModules: ['a'],
  dropLast: false,
  shuffle: true,
  clipNorm: 1,
  clipValue: 1,
  seed: 1,
  mode: 'fast',
  epochs: 1,
  ...tooManyWorkers,
});
const resumeOptions = () => ({ data: dataset(), norm: { to: 'group' }, ...tooManyWorkers });

const home = process.cwd();
let trainer: Trainer;
let saved: Checkpoint;
let loaded: LoadedModel;

beforeAll(async () => {
  // Junk may be a name of a file.
  process.chdir(folder);
  const options = { model, data, optimizer: optim.sgd({ lr: 0.1 }), globalBatch: 4, replicas: 2 };
  const onNotice = () => undefined;
  trainer = await Trainer.start({ ...options, workers: 1, onNotice });
  await trainer.save(path);
  saved = await readCheckpoint(path);
  loaded = await library.loadModel(path);
});
afterAll(async () => {
  process.chdir(home);
  await trainer.close();
  rmSync(folder, { recursive: true });
});

const state = () => saved.tensors.map((tensor) => ({ ...tensor }));

const exported: Readonly<Record<string, Args>> = {
  convertState: () => [
    state(),
    { from: model, to: nn.convertNorm(model, { to: 'local' }), inputShape: image },
  ],
  explainNorms: () => [model, run],
  firstTrain: () => [dataset(), 4],
  exportOnnx: () => [{ model, weights: trainer.weights(), inputShape: image }, { fold: true }],
  importOnnx: () => [path, { inputShape: image, dropSoftmax: true }],
  foldBatchNorm: () => [model, trainer.weights(), image],
  fromArrays: () => [
    {
      inputs: [
        [1, 2],
        [3, 4],
      ],
      targets: [0, 1],
      testSplit: 1,
      seed: 1,
    },
  ],
  launch: () => ['./no-such-job.mjs', { workers: 1, resourceLimits: { stackSizeMb: 4 } }],
  limitTrain: () => [dataset(), 4],
  loadModel: () => [join(folder, 'no-such.ckpt'), { threads: 1, fold: true, timeoutMs: 60_000 }],
  mnist: () => [{ dir: join(folder, 'no-such-folder') }],
  normsFor: () => [{}],
  openTensorBoard: () => ['board', { step: 2, onTrouble: () => {} }],
  openDataset: () => [join(folder, 'no-such-folder'), { layout: 'channelsFirst' }],
  fromIterable: () => [{ count: 2, chunkSamples: 2, isWeighted: false, open: () => [] }],
  openChunked: () => [join(folder, 'no-such-folder'), { window: 8, limit: 4 }],
  readWeights: () => [path, { model, inputShape: image, rename: (name: string) => name }],
  writeWeights: () => [
    join(folder, 'net.safetensors'),
    trainer.weights(),
    { model, inputShape: image, metadata: { format: 'pt' }, overwrite: true },
  ],
  scenes: () => [
    { train: 2, test: 1, size: 4, objects: 1, scraps: 1, noise: 2, ink: 9, from: bytes() },
  ],
  standardizeTargets: () => [regression()],
  synthetic: () => [{ train: 4, shape: [2, 2, 1], mean: 0, std: [1], separation: 0.5, seed: 1 }],
};
/** For `instanceof`; the library constructs them. */
const ERRORS = ['InvariantError', 'RunError', 'UsageError'];

const entries: Readonly<Record<keyof typeof Trainer, Row>> = {
  start: {
    args: () => [startOptions()],
    call: (options: unknown) => Trainer.start(options as never),
  },
  resume: {
    args: () => [saved, resumeOptions()],
    depth: 2,
    call: (...args) => Trainer.resume(...(args as [never, never])),
  },
};

const methods: Readonly<Record<Methods<Trainer>, Row | Args>> = {
  fit: {
    args: () => [
      { epochs: 1, maxSteps: 1, progressEveryMs: 100, validate: 'test', keepBest: true },
    ],
    call: async (options: unknown) => {
      for await (const _ of trainer.fit(options as never));
    },
  },
  evaluate: () => ['test', { weights: 'average', batches: 1 }],
  useAverage: () => [{ batches: 1 }],
  predict: () => [inputs()],
  predictAll: () => [inputs()],
  preciseBatchNorm: () => [{ batches: 1, definition: 'pooled' }],
  exportInference: () => [{ inputs: inputs(), tolerance: 1 }],
  restoreBest: () => [],
  save: () => [join(folder, 'no-such-folder', 'run.ckpt')],
  stop: () => [],
  diagnostics: () => [],
  gradientNorms: () => [],
  profile: () => [],
  weights: () => [],
  weightsHash: () => [],
  [Symbol.asyncDispose]: { args: () => [], call: () => undefined },
  close: { args: () => [], call: () => undefined },
};

const ofBoard: Readonly<Record<Methods<TensorBoard>, Args>> = {
  progress: () => [progress(1, 2)],
  snapshot: () => [trainer],
  scalars: () => [3, { 'test/loss': 1 }],
  text: () => ['settings', 'none'],
  close: () => [],
};

const loadedMethods: Readonly<Record<Methods<LoadedModel>, Row | Args>> = {
  predict: () => [inputs()],
  predictAll: () => [inputs()],
  evaluate: () => [dataset(), { split: 'test', metrics: ['f1'] }],
  weightsHash: () => [],
  [Symbol.asyncDispose]: { args: () => [], call: () => undefined },
  close: { args: () => [], call: () => undefined },
};

/** The functions of an object, with their rows. */
function rowsOf(object: object, rows: Readonly<Record<string, Args>>): [string, Row][] {
  return Object.entries(object).flatMap(([name, value]): [string, Row][] => {
    if (typeof value !== 'function' || ERRORS.includes(name)) return [];
    const args = rows[name];
    if (args === undefined) throw new Error(`${name} is public and has no row here`);
    return [[name, { args, call: (...given) => value(...given) }]];
  });
}

const functions = [
  ...rowsOf(nn, layers),
  ...rowsOf(optim, optimizers),
  ...rowsOf(optim.schedules, schedules),
  ...rowsOf(optim.averaging, averaging),
  ...rowsOf({ ...library, ...collectives }, exported),
];

describe('junk in any place', () => {
  it.each(functions)('is refused by %s, or does no harm', async (name, row) => {
    expect(await misbehaved(name, row, isRefusal)).toEqual([]);
  });

  it.each(Object.entries(entries))('is refused by Trainer.%s', async (name, row) => {
    expect(await misbehaved(`Trainer.${name}`, row, isRefusal)).toEqual([]);
  });

  it.each(Object.entries(methods))('is refused by %s of a trainer', async (name, method) => {
    const call = trainer[name as 'evaluate'].bind(trainer) as Row['call'];
    const row = typeof method === 'function' ? { args: method, call } : method;
    expect(await misbehaved(name, row, isRefusal)).toEqual([]);
  });

  it.each(Object.entries(ofBoard))('is refused by %s of a board', async (name, args) => {
    const board = await library.openTensorBoard('board');
    const call = board[name as 'text'] as Row['call'];
    expect(await misbehaved(name, { args, call }, isRefusal)).toEqual([]);
  });

  it('is refused by loadModel', async () => {
    const call = (...args: readonly unknown[]) => library.loadModel(...(args as [never, never]));
    const row = { args: () => [saved, { fold: true }], depth: 2, call };
    expect(await misbehaved('loadModel', row, isRefusal)).toEqual([]);
  });

  it.each(Object.entries(loadedMethods))('is refused by %s of a model', async (name, method) => {
    const call = loaded[name as 'evaluate'].bind(loaded) as Row['call'];
    const row = typeof method === 'function' ? { args: method, call } : method;
    expect(await misbehaved(name, row, isRefusal)).toEqual([]);
  });

  it('is refused by groups and norms, on a worker', async () => {
    const job = new URL('./job.mjs', import.meta.url);
    expect(await collectives.launch(job, { workers: 1 })).toEqual([[]]);
  });

  it('does not change a trainer', async () => {
    expect((await trainer.evaluate()).loss).toBeGreaterThan(0);
  });
});

describe('random arguments', () => {
  it.each(functions)('are refused by %s, or do no harm', async (_name, { args, call }) => {
    const anything = fc.oneof(
      fc.anything({ withMap: true, withTypedArray: true, withNullPrototype: true }),
      fc.constantFrom(...JUNK).map((make) => make()),
      fc.constantFrom(...args(), undefined),
    );
    const isHarmless = async (given: readonly unknown[]) => {
      try {
        await call(...given);
      } catch (error) {
        if (error !== OWN_ERROR && !isRefusal(error)) throw error;
      }
    };
    const list = fc.array(anything, { maxLength: 4 });
    await fc.assert(fc.asyncProperty(list, isHarmless), { numRuns: 15 });
  });
});
