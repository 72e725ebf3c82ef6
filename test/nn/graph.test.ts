import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { buildGraph, checkModelShapes, inputsOf, outputsOf } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool, maxPool } from '../../src/nn/specs/pools.ts';

const conv = (from: number, to: number, stride = 1) =>
  conv2d(from, to, { kernel: 3, padding: 1, stride });

describe('the graph of a model', () => {
  it('lists its layers with their positions and shapes', () => {
    const model = sequential([conv(3, 8, 2), relu(), sequential([globalAvgPool(), linear(8, 5)])]);
    const { operations, shapes, output } = buildGraph(model, [7, 8, 3]);
    expect(operations.map(({ path }) => path)).toEqual([
      '0.conv2d',
      '1.relu',
      '2.0.globalAvgPool',
      '2.1.linear',
    ]);
    expect(shapes).toEqual([[7, 8, 3], [4, 4, 8], [4, 4, 8], [8], [5]]);
    expect(output).toBe(4);
  });

  it('of one layer names it by its kind', () => {
    const { operations } = buildGraph(linear(4, 2), [4]);
    expect(operations.map(({ path }) => path)).toEqual(['linear']);
  });

  it('turns a residual into fork, branches and add; every value has one consumer', () => {
    const body = sequential([conv(4, 4), batchNorm(4)]);
    const model = sequential([residual(residual(body), conv(4, 4)), relu()]);
    const { operations, output } = buildGraph(model, [5, 5, 4]);
    expect(operations.map(({ op, path }) => `${op} ${path}`)).toEqual([
      'fork 0.residual',
      'fork 0.residual.body',
      'layer 0.residual.body.body.0.conv2d',
      'layer 0.residual.body.body.1.batchNorm',
      'add 0.residual.body',
      'layer 0.residual.shortcut',
      'add 0.residual',
      'layer 1.relu',
    ]);
    const consumed = operations.flatMap((o) => inputsOf(o));
    const produced = operations.flatMap((o) => outputsOf(o));
    expect(consumed.toSorted((a, b) => a - b)).toEqual(
      [0, ...produced].filter((value) => value !== output).toSorted((a, b) => a - b),
    );
  });

  it('numbers the layers that compute, which keys their random numbers', () => {
    const model = sequential([residual(conv(4, 4), conv(4, 4)), relu()]);
    const indices = buildGraph(model, [5, 5, 4]).operations.flatMap((o) =>
      o.op === 'layer' ? [o.index] : [],
    );
    expect(indices).toEqual([0, 1, 2]);
  });

  it('names the layer and both shapes when two layers do not fit', () => {
    const model = sequential([flatten(), linear(10, 3)]);
    expect(() => buildGraph(model, [2, 2, 3])).toThrow(
      /input of 1\.linear: expected 10 features.*, got "12 \(12 features\)"/,
    );
  });

  it('names both branches of a residual that end in different shapes', () => {
    const model = { kind: 'residual', body: conv(4, 8, 2), shortcut: null } as const;
    expect(() => buildGraph(model, [6, 6, 4])).toThrow(
      /the branches of residual: expected equal shapes.*, got "body 3x3x8, shortcut 6x6x4"/,
    );
  });
});

describe('a model that is being composed', () => {
  it('is checked as far as its first layer allows', () => {
    expect(() => sequential([conv(3, 16), batchNorm(12)])).toThrow(
      /input of 1\.batchNorm: expected a shape with 12 channels last.*, got "\?x\?x16"/,
    );
    expect(() => sequential([linear(4, 8), linear(9, 2)])).toThrow('input of 1.linear');
    expect(() => residual(sequential([conv(4, 8)]))).toThrow(UsageError);
  });

  it('passes if the shapes may fit', () => {
    const model = sequential([conv(3, 16), maxPool({ kernel: 2 }), flatten(), linear(400, 10)]);
    expect(() => checkModelShapes(model)).not.toThrow();
    expect(() => sequential([relu(), batchNorm(3)])).not.toThrow();
    expect(() => sequential('conv2d' as never)).toThrow('a list of layers');
  });
});
