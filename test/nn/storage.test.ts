// Runs the passes with marks instead of numbers: a reader of a value must find the mark of its
// writer.

import { describe, expect, it } from 'vitest';
import { type Shape, sizeOf } from '../../src/base/shape.ts';
import { derivedValues } from '../../src/nn/graph/derive.ts';
import { freezeGraph } from '../../src/nn/graph/freeze.ts';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph, inputsOf, type Operation, outputsOf } from '../../src/nn/graph/graph.ts';
import { layersSideBySide } from '../../src/nn/graph/sideBySide.ts';
import { gradientsNeeded, planStorage } from '../../src/nn/graph/storage.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { add, concat, graph, multiply } from '../../src/nn/models/graphBuilder.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu, tanh } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { maxPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';

const CAPACITY = 2;
const conv = (from: number, to: number, stride = 1): LayerSpec =>
  conv2d(from, to, { kernel: 3, padding: 1, stride });
const block = sequential([conv(4, 4), batchNorm(4), relu()]);
const gated = graph((x) => {
  const y = x.apply(conv(3, 4), tanh());
  return multiply(y, y.apply(conv(4, 4)));
});
const threeReaders = graph((x) => {
  const y = x.apply(conv(3, 4));
  return add(concat([y.apply(relu()), y]), y.apply(conv(4, 8)));
});
const PURPOSE = { inputShape: [16, 16, 3], classes: 10 };

const models: Readonly<Record<string, readonly [LayerSpec, Shape]>> = {
  refnet: [namedModel('refnet', PURPOSE), PURPOSE.inputShape],
  'mnist-cnn': [namedModel('mnist-cnn', PURPOSE), PURPOSE.inputShape],
  resnet20: [namedModel('resnet20', PURPOSE), PURPOSE.inputShape],
  'one layer': [linear(8, 3), [8]],
  'residual in front': [sequential([residual(block), relu()]), [5, 5, 4]],
  'residual at the end': [sequential([conv(3, 4), residual(block)]), [5, 5, 3]],
  'nested residuals': [
    sequential([conv(3, 4), residual(sequential([residual(block), tanh()]), conv(4, 4)), relu()]),
    [5, 5, 3],
  ],
  'residual of nothing': [sequential([conv(3, 4), residual(sequential([])), relu()]), [5, 5, 3]],
  'flat branches': [
    sequential([conv(3, 4), residual(sequential([flatten(), tanh()]), flatten()), linear(100, 3)]),
    [5, 5, 3],
  ],
  'flatten everywhere': [sequential([flatten(), flatten(), linear(75, 9), flatten()]), [5, 5, 3]],
  'a graph': [gated, [5, 5, 3]],
  'a value with three readers': [threeReaders, [5, 5, 3]],
  'nothing to train': [sequential([relu(), maxPool({ kernel: 2 })]), [4, 4, 2]],
};

/** The value that an operation gives other names. */
const aliased = (operation: Operation): number | undefined => {
  if (operation.op === 'add') return operation.sum;
  if (operation.op === 'join') return undefined;
  if (operation.op === 'layer' && operation.spec.kind !== 'flatten') return undefined;
  return operation.input;
};

/** The values that backward reads. */
const readBackward = (operation: Operation): readonly number[] => {
  if (operation.op === 'fork') return [];
  if (operation.op === 'add') return [operation.output];
  if (operation.op === 'join') return operation.kind.keepsInputs ? operation.inputs : [];
  const { keeps } = operation.kind;
  return [...(keeps.input ? [operation.input] : []), ...(keeps.output ? [operation.output] : [])];
};

const isInPlace = (operation: Operation): boolean =>
  operation.op === 'layer' ? operation.kind.gradientInPlace === true : operation.op !== 'join';

const tail = freezeGraph(
  buildGraph(
    sequential([
      conv(3, 4),
      residual(sequential([conv(4, 4), batchNorm(4)]), sequential([conv(4, 4), batchNorm(4)])),
      flatten(),
      linear(100, 2),
    ]),
    [5, 5, 3],
  ),
  ['0.*', '1.*'],
);

const cases = Object.entries(models).flatMap(([name, [model, inputShape]]) => {
  const graph = buildGraph(model, inputShape);
  return [[name, graph] as const, [`${name}, fused`, fuseGraph(graph)] as const];
});
cases.push(['a model of which the last layer trains', fuseGraph(tail)]);

describe.each(cases)('the storage of %s', (_name, graph) => {
  const derived = derivedValues(graph);
  const { places, sizeBytes } = planStorage(graph, CAPACITY, derived);
  const plan = places[0]!;
  const needed = gradientsNeeded(graph);
  const { operations, shapes, output } = graph;
  const marks: string[] = new Array(sizeBytes / 4).fill('');

  const offsetOf = (type: 'value' | 'gradient', value: number): number =>
    (type === 'value' ? plan.activationOffsetsBytes : plan.gradientOffsetsBytes)[value]! / 4;
  const lengthOf = (value: number): number => sizeOf(shapes[value]!) * CAPACITY;
  /** What a value is called: an alias has the name of what it stands for. */
  const names = new Map<string, string>();
  const nameOf = (type: 'value' | 'gradient', value: number): string =>
    names.get(`${type} ${value}`) ?? `${type} ${value}`;
  const write = (type: 'value' | 'gradient', value: number): void => {
    const from = offsetOf(type, value);
    expect(from).toBeGreaterThanOrEqual(0);
    expect(from + lengthOf(value)).toBeLessThanOrEqual(marks.length);
    marks.fill(nameOf(type, value), from, from + lengthOf(value));
  };
  const expectIntact = (type: 'value' | 'gradient', value: number): void => {
    const from = offsetOf(type, value);
    const found = new Set(marks.slice(from, from + lengthOf(value)));
    expect([...found]).toEqual([nameOf(type, value)]);
  };
  const alias = (type: 'value' | 'gradient', value: number, of: number): void => {
    names.set(`${type} ${value}`, nameOf(type, of));
    expect(offsetOf(type, value)).toBe(offsetOf(type, of));
  };

  /** What a value is read from in backward: itself, or what it is derived from. */
  const sourcesOf = (value: number): readonly number[] => {
    const maker = derived.get(value);
    if (maker === undefined) return [value];
    return [maker.input, ...(maker.addend === undefined ? [] : sourcesOf(maker.addend.value))];
  };

  it('keeps every value until its last reader, forward and backward', () => {
    write('value', 0);
    // The first of two layers side by side ends with the second.
    const waiting = new Map(layersSideBySide(graph).map(([first, second]) => [second, first]));
    for (const operation of operations) {
      const first = operation.op === 'layer' ? waiting.get(operation) : undefined;
      const stood = aliased(operation);
      if (stood !== undefined) {
        for (const value of outputsOf(operation)) alias('value', value, stood);
        continue;
      }
      for (const value of outputsOf(operation)) write('value', value);
      for (const value of inputsOf(operation)) expectIntact('value', value);
      if (first !== undefined) expectIntact('value', first.input);
      if (operation.op === 'layer' && operation.addend !== undefined) {
        expectIntact('value', operation.addend.value);
      }
    }
    expectIntact('value', output);
    if (needed[output]) write('gradient', output);
    expectIntact('value', output);
    for (const operation of operations.toReversed()) {
      const results = outputsOf(operation).filter((value) => needed[value]);
      if (results.length === 0) continue;
      const wanted = inputsOf(operation).filter((value) => needed[value]);
      const isShared = operation.op === 'layer' && aliased(operation) !== undefined;
      if ((operation.op === 'add' && !operation.isRelu) || isShared) {
        for (const value of wanted) alias('gradient', value, results[0]!);
        continue;
      }
      if (operation.op === 'add' && wanted.length === 2) alias('gradient', wanted[1]!, wanted[0]!);
      const reads = results.map((value) => ['gradient', value] as const);
      const values = readBackward(operation).flatMap((value) => sourcesOf(value));
      const all = [...reads, ...values.map((value) => ['value', value] as const)];
      for (const [type, value] of all) expectIntact(type, value);
      for (const value of wanted) write('gradient', value);
      // What is read must also outlast the writing, unless that goes element by element.
      const written = new Set(wanted.map((value) => offsetOf('gradient', value)));
      for (const [type, value] of all) {
        if (isInPlace(operation) && written.has(offsetOf(type, value))) continue;
        expectIntact(type, value);
      }
    }
  });

  it('has gradients only if an earlier layer is trained', () => {
    for (const [value, offset] of plan.gradientOffsetsBytes.entries()) {
      expect(offset >= 0).toBe(needed[value]);
    }
    expect(needed[0]).toBe(false);
  });

  it('is on separate cache lines', () => {
    const offsets = [...plan.activationOffsetsBytes, ...plan.gradientOffsetsBytes];
    for (const offset of offsets) expect(offset < 0 || offset % 128 === 0).toBe(true);
  });
});

describe('storage', () => {
  it('is reused: a deep model takes less than all its values and gradients', () => {
    const [model, inputShape] = models.resnet20!;
    const graph = buildGraph(model, inputShape);
    const { sizeBytes } = planStorage(graph, CAPACITY, derivedValues(graph));
    const all = graph.shapes.reduce((sum, shape) => sum + sizeOf(shape) * 4 * CAPACITY * 2, 0);
    expect(sizeBytes).toBeLessThan(0.6 * all);
  });

  it('grows with the samples', () => {
    const [model, inputShape] = models.refnet!;
    const graph = buildGraph(model, inputShape);
    const planned = (capacity: number) =>
      planStorage(graph, capacity, derivedValues(graph)).sizeBytes;
    expect(planned(20)).toBeGreaterThan(9 * planned(2));
  });
});
