import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { MODEL_NAMES, namedModel } from '../../src/nn/models/models.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from '../../src/nn/specs/adaptivePools.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv1d } from '../../src/nn/specs/conv1d.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { convTranspose2d } from '../../src/nn/specs/convTranspose2d.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { dropout, dropout2d, dropPath } from '../../src/nn/specs/dropout.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy, meanSquaredError, parseLoss } from '../../src/nn/specs/losses.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { pad } from '../../src/nn/specs/pad.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../src/nn/specs/pools.ts';
import { avgPool1d, maxPool1d } from '../../src/nn/specs/pools1d.ts';
import { gru, lstm, rnn } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import { slice } from '../../src/nn/specs/slice.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { upsample } from '../../src/nn/specs/upsample.ts';

const { elu, gelu, hardSigmoid, hardSwish, leakyRelu, prelu } = activations;
const { relu, relu6, sigmoid, silu, softmax, tanh } = activations;

const specs: readonly LayerSpec[] = [
  avgPool({ kernel: [3, 2], stride: 1, padding: [1, 0], countIncludePad: false }),
  adaptiveAvgPool([2, 3]),
  adaptiveMaxPool(1),
  avgPool1d({ kernel: 3, padding: 1, countIncludePad: false }),
  batchNorm(7, { momentum: null, sync: 4, affine: false, trackRunningStats: false }),
  batchNorm(4, { virtualBatch: 8 }),
  batchNorm(4, { frozen: true, sync: 'all' }),
  batchRenorm(5, { rMax: 2, dMax: 1, warmupSteps: 10, momentum: 0.2, sync: 2 }),
  conv1d(4, 6, { kernel: 3, padding: { right: 1 }, weightStandardization: true }),
  conv2d(4, 6, { kernel: [1, 2], stride: 2, padding: 1, dilation: [2, 1], groups: 2, bias: false }),
  conv2d(4, 6, { kernel: 3, weightStandardization: true }),
  conv2d(16, 16, { kernel: 3, algorithm: 'direct', padding: 'same' }),
  conv2d(2, 3, { kernel: 3, padding: { top: 1, right: 2 } }),
  convTranspose2d(4, 6, { kernel: 3, stride: 2, padding: 1, outputPadding: [1, 0], groups: 2 }),
  custom('file:///layers/swish.mjs', { beta: 2 }),
  dropout(0.2),
  dropout2d(0.3),
  dropPath(0.1),
  elu(0.5),
  filterResponseNorm(6, { tlu: false, eps: 0.1, affine: false }),
  flatten(),
  gelu({ approximate: 'tanh' }),
  hardSigmoid(),
  hardSwish(),
  silu(),
  globalAvgPool(),
  globalMaxPool(),
  gru(4, 3, { norm: 'batch', sync: 2, momentum: null, returnSequence: true }),
  groupNorm(2, 8, { eps: 1e-3 }),
  instanceNorm(5, { affine: true }),
  instanceNorm(5, { trackRunningStats: true, momentum: null }),
  layerNorm([3, 4]),
  leakyRelu(0.3),
  linear(4, 2, { init: 'kaimingNormal' }),
  linear(4, 2, { weightStandardization: true }),
  maxPool1d({ kernel: 3, stride: 2, padding: 'same' }),
  maxPool({ kernel: 3, stride: 2, padding: 1 }),
  prelu({ numParameters: 3, init: 0.1 }),
  pad({ top: 1, bottom: 2 }),
  relu(),
  relu6(),
  reshape([28, 28]),
  rmsNorm([3, 4], { eps: 1e-3, affine: false }),
  lstm(4, 3, { norm: 'layer', forgetBias: 1 }),
  rnn(4, 3, { nonlinearity: 'relu', bias: false, norm: 'layer', eps: 1e-3 }),
  sigmoid(),
  softmax(),
  slice({ rows: [0, 3], channels: [1, 2] }),
  tanh(),
  upsample({ scale: [2, 1] }),
  upsample({ size: 7, mode: 'bilinear', alignCorners: true }),
  residual(relu()),
  residual(relu(), sequential([tanh(), tanh()])),
];

const throughJson = (spec: unknown): unknown => JSON.parse(JSON.stringify(spec));

describe('parseModel', () => {
  it('ignores $schema only at the top', () => {
    const $schema = './model.schema.json';
    expect(parseModel({ $schema, kind: 'relu' })).toEqual(relu());
    const inner = { kind: 'sequential', layers: [{ $schema, kind: 'relu' }] };
    expect(() => parseModel(inner)).toThrow(/model, layers\[0\]: unknown field \$schema/);
  });

  it.each(specs.map((spec) => [spec.kind, spec] as const))('reads what it wrote, %s', (_, spec) => {
    expect(parseModel(throughJson(spec), 'model')).toEqual(spec);
  });

  it.each(MODEL_NAMES)('reads what it wrote, %s', (name) => {
    const model = namedModel(name, { inputShape: [32, 32, 3], classes: 10 });
    expect(parseModel(throughJson(model), 'model')).toEqual(model);
  });

  it('fills in the defaults of the builders', () => {
    const json = { kind: 'conv2d', inChannels: 3, outChannels: 8, kernel: 3 };
    expect(parseModel(json, 'model')).toEqual(conv2d(3, 8, { kernel: 3 }));
    expect(parseModel({ kind: 'dropout' }, 'model')).toEqual(dropout());
    expect(parseModel({ kind: 'prelu' }, 'model')).toEqual(prelu());
    expect(parseModel({ kind: 'batchNorm', channels: 3 }, 'model')).toEqual(batchNorm(3));
  });

  it('treats sync as all, like the builders', () => {
    for (const spec of [
      batchNorm(3, { sync: 'all' }),
      batchRenorm(3, { sync: 'all' }),
      gru(3, 2, { norm: 'batch', sync: 'all' }),
      rnn(3, 2, { norm: 'batch', sync: 'all' }),
    ]) {
      expect(parseModel({ ...spec, sync: 'sync' })).toEqual(spec);
    }
    expect(batchNorm(3, { sync: 'sync' })).toEqual(batchNorm(3, { sync: 'all' }));
    expect(batchRenorm(3, { sync: 'sync' }).sync).toBe('all');
    expect(gru(3, 2, { norm: 'batch', sync: 'sync' }).sync).toBe('all');
    expect(rnn(3, 2, { norm: 'batch', sync: 'sync' }).sync).toBe('all');
  });

  it('names the layer by its path in the file', () => {
    const broken = { kind: 'linear', inFeatures: 'many', outFeatures: 2 };
    const inner = { kind: 'sequential', layers: [{ kind: 'relu' }, broken] };
    const json = { kind: 'sequential', layers: [{ kind: 'residual', body: inner }] };
    expect(() => parseModel(json, 'net.json')).toThrow(
      'net.json, layers[0], body, layers[1], inFeatures: expected',
    );
  });

  it.each([
    [
      { kind: 'conv3d' },
      /kind of model: expected adaptiveAvgPool, adaptiveMaxPool.*, got "conv3d"/,
    ],
    [{ kind: 'relu', slope: 1 }, 'slope'],
    [{ kind: 'linear', inFeatures: 3 }, 'outFeatures'],
    [{ kind: 'batchNorm', channels: 3, sync: 'every' }, 'sync'],
    [{ kind: 'batchNorm', channels: 3, sync: 2, virtualBatch: 4 }, 'sync with virtualBatch 4'],
    [{ kind: 'batchRenorm', channels: 3, rMax: 0.5 }, 'model, rMax'],
    [{ kind: 'filterResponseNorm', channels: 3, trackRunningStats: true }, 'trackRunningStats'],
    [{ kind: 'rmsNorm', normalizedShape: [3], eps: -1 }, 'model, eps'],
    [{ kind: 'conv2d', inChannels: 3, outChannels: 8, kernel: [3] }, 'kernel'],
    [{ kind: 'conv2d', inChannels: 3, outChannels: 8, kernel: 3, algorithm: 'fft' }, 'algorithm'],
    [{ kind: 'dropout', p: 1 }, 'model, p'],
    [{ kind: 'dropPath' }, 'model, p'],
    [{ kind: 'elu', alpha: -1 }, 'model, alpha'],
    [{ kind: 'prelu', numParameters: 0 }, 'model, numParameters'],
    [{ layers: [] }, 'kind'],
    [null, 'model'],
    ['relu', 'model'],
    [{ kind: 'sequential', layers: {} }, 'layers'],
    [{ kind: 'residual' }, 'body'],
    [{ kind: 'toString' }, 'kind of model'],
  ])('refuses %o', (json, message) => {
    expect(() => parseModel(json, 'model')).toThrow(UsageError);
    expect(() => parseModel(json, 'model')).toThrow(message);
  });
});

describe('parseLoss', () => {
  it('reads what it wrote', () => {
    for (const loss of [
      crossEntropy(),
      crossEntropy({ labelSmoothing: 0.1 }),
      meanSquaredError(),
    ]) {
      expect(parseLoss(throughJson(loss))).toEqual(loss);
    }
    expect(parseLoss({ kind: 'crossEntropy' })).toEqual(crossEntropy());
  });

  it.each([{ kind: 'hinge' }, { kind: 'meanSquaredError', labelSmoothing: 0 }, null])(
    'refuses %o',
    (json) => {
      expect(() => parseLoss(json)).toThrow(UsageError);
    },
  );
});
