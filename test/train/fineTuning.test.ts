// Twenty steps with frozen parameters, parameter groups and switched batch norms, against PyTorch's
// (test/support/golden/fineTuning.json); and that nothing but the options decides their bits.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { NamedValue } from '../../src/checkpoint/foldNorm.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { layerNorm } from '../../src/nn/specs/norms.ts';
import { gru } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { adam, parseOptimizer, sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import {
  type GoldenFineTuning,
  type GoldenTensors,
  loadGoldenFineTunings,
  loadGoldenTraining,
} from '../support/golden/load.ts';
import { resultsOf } from '../support/splits.ts';

const TOLERANCE = 1e-5;
const golden = { ...loadGoldenTraining(), ...loadGoldenFineTunings() };
const [SAMPLES, ...IMAGE] = golden.input.shape as [number, ...number[]];
const data: Dataset = {
  name: 'golden',
  inputShape: IMAGE,
  inputType: 'f32',
  task: { kind: 'classification', classes: Math.max(...golden.labels) + 1 },
  mean: [0],
  std: [1],
  train: { count: SAMPLES, inputs: golden.input.data, targets: Int32Array.from(golden.labels) },
  test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
};

/** `<layer index>.<name>` to our names, `0.conv2d.weight`. */
function ownName(path: string): string {
  const [index, name] = path.split('.') as [string, string];
  return `${index}.${golden.layers[Number(index)]!.kind}.${name}`;
}

function startWeights(): ReadonlyMap<string, NamedValue> {
  const all = { ...golden.initialParameters, ...golden.initialBuffers };
  return new Map(
    Object.entries(all).map(([path, { shape, data: values }]) => [
      ownName(path),
      { shape, values: path.includes('running') ? Float64Array.from(values) : values },
    ]),
  );
}

function optionsOf(run: GoldenFineTuning): TrainerOptions {
  const { decays: _decays, ...optimizer } = run.optimizer;
  return {
    model: sequential(golden.layers as unknown as readonly LayerSpec[]),
    norm: { to: 'sync' },
    data,
    optimizer: parseOptimizer(optimizer),
    globalBatch: golden.globalBatch,
    shuffle: false,
    weights: startWeights(),
    // All but how many batches were seen, which nothing here depends on.
    strictWeights: false,
    freeze: run.frozen.map(ownName),
    parameterGroups: run.groups.flatMap(({ paths, lrScale, weightDecay }) =>
      paths.map((path) => ({
        match: ownName(path),
        ...(lrScale !== null && { lrScale }),
        ...(weightDecay !== null && { weightDecay }),
      })),
    ),
    batchNorm: Object.entries(run.norms).map(([index, [statistics, updateStatistics]]) => ({
      match: `${index}.*`,
      ...{ statistics, updateStatistics },
    })),
    onNotice() {},
  };
}

function expectNear(trainer: Trainer, tensors: GoldenTensors): void {
  const weights = trainer.weights();
  for (const [path, { data: exact }] of Object.entries(tensors)) {
    const { values } = weights.get(ownName(path))!;
    const scale = Math.max(...exact.map(Math.abs));
    for (const [i, value] of values.entries()) {
      expect(Math.abs(value - exact[i]!), `${path}[${i}]`).toBeLessThanOrEqual(TOLERANCE * scale);
    }
  }
}

const VARIANTS = [
  { mode: 'strict', replicas: 1, workers: 1 },
  { mode: 'fast', replicas: 3, workers: 2 },
] as const;

describe('fine-tuning', () => {
  it.each(golden.runs.map((run, i) => [run.name, run, VARIANTS[i % 2]!] as const))(
    "matches PyTorch's twenty steps with %s",
    async (_name, run, variant) => {
      const trainer = await Trainer.start({ ...optionsOf(run), ...variant });
      try {
        for await (const _ of trainer.fit({ epochs: 7, maxSteps: golden.steps }));
        expectNear(trainer, run.parameters);
        expectNear(trainer, run.buffers);
        const frozen = run.frozen.map((path) => [path, golden.initialParameters[path]!] as const);
        for (const [path, { data: values }] of frozen) {
          expect(trainer.weights().get(ownName(path))!.values).toEqual(values);
        }
      } finally {
        await trainer.close();
      }
    },
  );
});

const small = synthetic({ train: 45, test: 8, shape: [8, 8, 3], classes: 5, seed: 3 });
const purpose = { inputShape: small.inputShape, classes: 5 };
const base = {
  model: namedModel('refnet', purpose),
  norm: { to: 'sync' },
  data: small,
  optimizer: sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-3 }),
  globalBatch: 20,
  seed: 5,
  freeze: ['0.*', '*.bias'],
  parameterGroups: [{ match: '3.*', lrScale: 0.5, weightDecay: 0 }],
  batchNorm: [{ match: '4.*', statistics: 'running' }],
  clipNorm: 1,
} as const satisfies TrainerOptions;

/** Every kind of layer with a part that is frozen and gradients that pass through. */
const mixed: Partial<TrainerOptions> = {
  model: sequential([
    custom(new URL('../support/jobs/perSampleLayer.mjs', import.meta.url)),
    reshape([8, 24]),
    linear(192, 192, { weightStandardization: true }),
    reshape([8, 24]),
    gru(24, 6, { norm: 'layer' }),
    layerNorm(6),
    linear(6, 5),
  ]),
  freeze: ['2.linear.weight', '4.gru.weightHh', '4.gru.bias*', '5.layerNorm.bias'],
  parameterGroups: [{ match: '6.*', lrScale: 2 }],
  batchNorm: [],
};

describe('the bits of a fine-tuned run', () => {
  it.each<[string, Partial<TrainerOptions>]>([
    ['frozen layers, groups and switched norms', {}],
    ['parts of layers frozen', mixed],
    [
      'a frozen body of residuals',
      { model: namedModel('resnet20', purpose), freeze: ['*', '!7.*', '!*linear*'], batchNorm: [] },
    ],
  ])('are the same for any replicas and workers with %s', async (_name, change) => {
    const results = await resultsOf({ ...base, parameterGroups: [], ...change }, [
      [1, 1],
      [3, 2],
    ]);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('of the trained parameters are those of a step that trains all', async () => {
    const { freeze, ...whole } = mixed;
    const stepOf = async (change: Partial<TrainerOptions>) => {
      const { clipNorm: _clipNorm, freeze: _freeze, ...options } = base;
      const trainer = await Trainer.start({ ...options, onNotice() {}, ...change, workers: 1 });
      const before = trainer.weights();
      for await (const _ of trainer.fit({ epochs: 1, maxSteps: 1 }));
      const after = trainer.weights();
      await trainer.close();
      return { before, after };
    };
    const all = await stepOf(whole);
    const tuned = await stepOf({ ...whole, freeze: freeze! });
    const frozen: string[] = [];
    for (const [name, { values }] of tuned.after) {
      const isFrozen = tuned.before.get(name)!.values.every((value, i) => value === values[i]);
      if (isFrozen) frozen.push(name);
      else expect(values, name).toEqual(all.after.get(name)!.values);
    }
    expect(frozen).toEqual([
      '2.linear.weight',
      '4.gru.weightHh',
      '4.gru.biasIh',
      '4.gru.biasHh',
      '5.layerNorm.bias',
    ]);
  });

  const folder = mkdtempSync(join(tmpdir(), 'syncbn-fine-tuning-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are the same if it resumes in the middle with frozen parameters', async () => {
    const path = join(folder, 'run.ckpt');
    const options = { ...base, optimizer: adam({ lr: 0.01 }), onNotice() {} };
    const whole = await Trainer.start({ ...options, workers: 2 });
    for await (const _ of whole.fit({ epochs: 2, maxSteps: 2 }));
    await whole.save(path);
    for await (const _ of whole.fit({ epochs: 2 }));
    const hash = whole.weightsHash();
    await whole.close();
    const resumed = await Trainer.resume(path, { data: small, workers: 1 });
    expect(resumed.config.freeze).toEqual(base.freeze);
    expect(resumed.config.parameterGroups).toEqual(base.parameterGroups);
    for await (const _ of resumed.fit({ epochs: 2 }));
    expect(resumed.weightsHash()).toBe(hash);
    await resumed.close();
    const converted = await Trainer.resume(path, { data: small, norm: { to: 'local' } });
    for await (const _ of converted.fit({ epochs: 2, maxSteps: 3 }));
    await converted.close();
  });
});
