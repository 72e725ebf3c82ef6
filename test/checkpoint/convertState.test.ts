import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { sizeOf } from '../../src/base/shape.ts';
import { convertState, type NamedTensor } from '../../src/checkpoint/convertState.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import type { ConvertNormOptions } from '../../src/nn/convert/normRequest.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { planParameters } from '../../src/plan/parameters.ts';
import { testValues } from '../support/kernelFixture.ts';

const inputShape = [8, 8, 3];
const known = { inputShape, replicas: 4, replicaBatch: 4 };

/** A model state in which no two tensors are equal. */
function stateOf(model: LayerSpec, slots = 1, shape: readonly number[] = inputShape) {
  const { entries, buffers } = planParameters(buildGraph(model, shape));
  let seed = 1;
  const values = (length: number): Float32Array => testValues(length, 2, seed++);
  const state: NamedTensor[] = entries.map((entry) => ({
    name: `parameter ${entry.name}`,
    group: 'parameter',
    shape: entry.shape,
    values: values(sizeOf(entry.shape)),
  }));
  for (const entry of buffers) {
    const filled = Float64Array.from(values(sizeOf(entry.shape)), (value) => value + 3);
    state.push({
      name: `buffer ${entry.name}`,
      group: 'buffer',
      shape: entry.shape,
      values: filled,
    });
  }
  for (let slot = 0; slot < slots; slot++) {
    for (const entry of entries) {
      const name = `optimizer.${slot} ${entry.name}`;
      const group = 'optimizer';
      state.push({ name, group, shape: entry.shape, values: values(sizeOf(entry.shape)) });
    }
  }
  return state;
}

/** Converts there, all normalizations. */
function convert(model: LayerSpec, options: ConvertNormOptions, slots = 1) {
  const to = convertNorm(model, { ...known, kinds: 'all', ...options });
  const state = stateOf(model, slots);
  return { model: to, state, ...convertState(state, { from: model, to, inputShape }) };
}

const isWeight = ({ name }: NamedTensor): boolean => /\.(weight|bias)$/.test(name);
const byName = (tensors: readonly NamedTensor[], keep: (tensor: NamedTensor) => boolean) =>
  Object.fromEntries(tensors.filter(keep).map(({ name, values }) => [name, [...values]]));

describe('convertState there and back', () => {
  const model = convertNorm(namedModel('resnet20', { inputShape, classes: 5 }), { to: 'sync' });

  it.each(['local', 'frozen'] as const)('over %s leaves all weights and statistics', (to) => {
    const there = convert(model, { to });
    const back = convertState(there.tensors, { from: there.model, to: model, inputShape });
    const isKept = ({ group }: NamedTensor): boolean => group !== 'optimizer' || to === 'local';
    expect(byName(back.tensors, isKept)).toEqual(byName(there.state, isKept));
  });

  it.each(['group', 'layer', 'instance', 'auto'] as const)('over %s leaves the weights', (to) => {
    const there = convert(model, { to });
    const back = convertState(there.tensors, { from: there.model, to: model, inputShape });
    const isParameter = (tensor: NamedTensor): boolean => tensor.group === 'parameter';
    expect(byName(back.tensors, isParameter)).toEqual(byName(there.state, isParameter));
    expect(back.tensors.map(({ name }) => name)).toEqual(there.state.map(({ name }) => name));
  });

  it('through none keeps the tensors of all other layers, even of moved layers', () => {
    const there = convert(model, { to: 'none' }, 2);
    expect(there.report.every(({ carried }) => !carried)).toBe(true);
    const back = convertState(there.tensors, { from: there.model, to: model, inputShape });
    const isOther = (tensor: NamedTensor): boolean =>
      isWeight(tensor) && !tensor.name.includes('batchNorm');
    expect(byName(back.tensors, isOther)).toEqual(byName(there.state, isOther));
    const fresh = back.tensors.find(({ name }) => name === 'parameter 1.batchNorm.weight')!;
    expect([...fresh.values]).toEqual(new Array<number>(16).fill(1));
  });
});

describe('convertState', () => {
  const model = sequential([conv2d(3, 4, { kernel: 3, padding: 1 }), batchNorm(4)]);
  const tell = (options: ConvertNormOptions, from: LayerSpec = model) =>
    convert(from, options).report.map(({ layer, tensor, carried, why }) => [
      layer,
      tensor,
      carried,
      why,
    ]);

  it('says what happened to each tensor of a normalization', () => {
    expect(tell({ to: 'group' })).toEqual([
      ['1.groupNorm', 'weight', true, 'the same values'],
      ['1.groupNorm', 'optimizer.0 weight', true, 'the same parameter'],
      ['1.groupNorm', 'bias', true, 'the same values'],
      ['1.groupNorm', 'optimizer.0 bias', true, 'the same parameter'],
      ['1.batchNorm', 'runningMean', false, 'groupNorm has none'],
      ['1.batchNorm', 'runningVar', false, 'groupNorm has none'],
      ['1.batchNorm', 'numBatchesTracked', false, 'groupNorm has none'],
    ]);
    expect(tell({ to: 'layer' })[0]).toEqual([
      '1.layerNorm',
      'weight',
      true,
      'each position from its channel',
    ]);
    expect(tell({ to: 'none' })[0]).toEqual([
      '1.batchNorm',
      'weight',
      false,
      'the layer is removed',
    ]);
  });

  it('gives restarted statistics the values of a new model, and says so', () => {
    const from = sequential([conv2d(3, 4, { kernel: 3 }), groupNorm(2, 4)]);
    const { tensors, report } = convert(from, { to: 'sync' });
    const running = tensors.filter(({ group }) => group === 'buffer');
    expect(running.map(({ values }) => [...values])).toEqual([[0, 0, 0, 0], [1, 1, 1, 1], [0]]);
    expect(report.filter(({ carried }) => !carried)).toEqual(
      [
        { tensor: 'runningMean', why: 'groupNorm has none; starts at 0' },
        { tensor: 'runningVar', why: 'groupNorm has none; starts at 1' },
        { tensor: 'numBatchesTracked', why: 'groupNorm has none; starts at 0' },
      ].map((row) => ({ layer: '1.batchNorm', carried: false, ...row })),
    );
  });

  it('carries statistics over from instanceNorm only to frozen', () => {
    const from = sequential([
      conv2d(3, 4, { kernel: 3 }),
      instanceNorm(4, { trackRunningStats: true }),
    ]);
    const carried = (to: 'frozen' | 'sync') =>
      convert(from, { to }).report.map((row) => row.carried);
    expect(carried('frozen')).toEqual([true, true, true]);
    expect(carried('sync')).toEqual([false, false, false]);
  });

  it('carries everything over from batchRenorm', () => {
    const from = sequential([conv2d(3, 4, { kernel: 3 }), batchRenorm(4)]);
    expect(convert(from, { to: 'sync' }).report.every(({ carried }) => carried)).toBe(true);
  });

  it('does not carry over elementwise weights that differ between positions', () => {
    const from = sequential([conv2d(3, 4, { kernel: 3 }), layerNorm([6, 6, 4])]);
    const { tensors, report } = convert(from, { to: 'group' });
    expect(report[0]).toMatchObject({ tensor: 'weight', carried: false });
    expect(report[0]!.why).toMatch(/^6x6x4 differs between positions; starts at 1/);
    const weight = tensors.find(({ name }) => name === 'parameter 1.groupNorm.weight')!;
    expect([...weight.values]).toEqual([1, 1, 1, 1]);
  });

  it('finds the layers even if a threshold became a ReLU or there is no bias', () => {
    const from = sequential([
      conv2d(3, 4, { kernel: 3 }),
      filterResponseNorm(4),
      residual(rmsNorm([4]), batchNorm(4)),
      conv2d(4, 4, { kernel: 1 }),
    ]);
    const { tensors, report, state } = convert(from, { to: 'sync' });
    const valuesOf = (list: readonly NamedTensor[], name: string) =>
      list.find((tensor) => tensor.name === name)?.values;
    for (const [now, before] of [
      ['1.0.batchNorm.bias', '1.filterResponseNorm.bias'],
      ['2.residual.body.weight', '2.residual.body.weight'],
      ['2.residual.shortcut.weight', '2.residual.shortcut.weight'],
      ['3.conv2d.weight', '3.conv2d.weight'],
    ]) {
      expect(valuesOf(tensors, `parameter ${now}`)).toEqual(valuesOf(state, `parameter ${before}`));
    }
    expect(report).toContainEqual({
      layer: '1.filterResponseNorm',
      tensor: 'threshold',
      carried: false,
      why: 'batchNorm has none',
    });
    expect(report).toContainEqual({
      layer: '2.residual.body',
      tensor: 'bias',
      carried: false,
      why: 'rmsNorm has none; starts at 0',
    });
  });

  it('refuses models with other differences, and states with missing tensors', () => {
    const state = stateOf(model);
    const other = sequential([conv2d(3, 4, { kernel: 3, padding: 1 }), relu(), batchNorm(4)]);
    const toOther = () => convertState(state, { from: model, to: other, inputShape });
    expect(toOther).toThrow(UsageError);
    expect(toOther).toThrow(/at the end of the model: expected .*, got "1\.relu"/);
    const part = state.filter(({ name }) => name !== 'parameter 1.batchNorm.bias');
    const to = convertNorm(model, { to: 'group' });
    expect(() => convertState(part, { from: model, to, inputShape })).toThrow(
      /parameter 1\.batchNorm\.bias: expected shape 4.*, got "missing"/,
    );
  });
});
