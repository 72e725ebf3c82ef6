import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { foldBatchNorm } from '../../src/checkpoint/foldNorm.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { layersSideBySide } from '../../src/nn/graph/sideBySide.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import {
  add,
  concat,
  type GraphValue,
  graph,
  multiply,
  split,
} from '../../src/nn/models/graphBuilder.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { relu, tanh } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { maxPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import {
  describeDifferences,
  describeReference,
  type ProofCase,
} from '../support/layers/proofs.ts';

const INPUT = [4, 5, 3];
const conv = (from: number, to: number) => conv2d(from, to, { kernel: 3, padding: 1 });
const bare = (from: number, to: number) => conv2d(from, to, { kernel: 3, padding: 1, bias: false });

/** Squeeze and excitation, by convolutions of the whole image. */
const excited = graph((x) => {
  const y = x.apply(conv(3, 8), tanh());
  const gate = y.apply(conv2d(8, 4, { kernel: [4, 5] }), conv2d(4, 8, { kernel: 1 }));
  return multiply(y, gate);
});
/** As in DenseNet: each layer reads all before it. */
const dense = graph((x) => {
  const values = [x];
  for (let i = 0; i < 3; i++) {
    const [first, ...others] = values as [GraphValue, ...GraphValue[]];
    const read = others.length === 0 ? first : concat(values);
    values.push(read.apply(conv(3 + 2 * i, 2), tanh()));
  }
  return concat(values);
});
const synchronized = graph((x) =>
  add(
    x.apply('left', sequential([bare(3, 4), batchNorm(4, { sync: 'all' })])),
    x.apply(bare(3, 4), batchNorm(4, { sync: 'all' })),
  ).apply(tanh()),
);

const specs: Readonly<Record<string, LayerSpec>> = {
  'squeeze and excitation': excited,
  'concatenations of all before': dense,
  'the product of a value and itself': graph((x) => multiply(x, x)),
  'a sum of a value and itself': graph((x) => add(x, x)),
  'a value with four readers': graph((x) => {
    const y = x.apply(conv(3, 3));
    return add(multiply(y, y.apply(tanh())), add(y, y.apply(conv(3, 3))));
  }),
  'the input as it is': graph((x) => x),
  'norms side by side': synchronized,
  vectors: sequential([
    flatten(),
    graph((x) => {
      const y = x.apply(linear(60, 7), tanh());
      return concat([y, multiply(y, x.apply(linear(60, 7)))]);
    }),
  ]),
  'graphs in graphs': graph((x) => {
    const inner = graph((y) => add(y, y.apply(conv(3, 3))));
    return x.apply('a', inner).apply(inner);
  }),
};
/** Without a plain loop: those of its layers are with their kernels. */
const divided = graph((x) => {
  const [image, facts] = split(x, [[4, 4, 2], [28]]);
  const seen = image.apply(conv(2, 3), tanh(), flatten(), linear(48, 5));
  return concat([seen, facts]).apply(linear(33, 4));
});
const CASES: readonly ProofCase[] = Object.entries(specs).map(([name, spec]) => ({
  name,
  spec,
  inputShape: INPUT,
}));

describe('a graph', () => {
  const tolerance = { activations: 8e-6, weights: 8e-6, wide: 8e-6 };
  describeReference(CASES, tolerance);
  describeDifferences([
    ...CASES,
    { name: 'two parts of the input', spec: divided, inputShape: INPUT },
  ]);

  it.each(CASES.map(({ name, spec }) => [name, spec] as const))('of %s is data', (_name, spec) => {
    expect(parseModel(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  it('splits a value into parts that cover all of it', () => {
    const spec = graph((x) => concat(split(x, [[2], [3, 1], [4]]).map((y) => y.apply(flatten()))));
    expect(buildGraph(spec, [3, 3, 1]).shapes.at(-1)).toEqual([9]);
    expect(() => buildGraph(spec, [10])).toThrow('0.reshape');
    const parts = (shapes: unknown) => () => graph((x) => split(x, shapes as [number[]])[0]);
    for (const shapes of [[[2]], [[2], []], [[2], [0]], 4]) {
      expect(parts(shapes)).toThrow(UsageError);
    }
  });

  it('names its layers by their nodes', () => {
    const spec = graph((x) => {
      const y = x.apply('conv1', conv(3, 4)).apply(
        'layer1',
        graph((z) => z.apply('bn', batchNorm(4))),
      );
      return y.apply(sequential([relu(), maxPool({ kernel: 2 })]), relu());
    });
    expect(buildGraph(sequential([spec]), INPUT).operations.map(({ path }) => path)).toEqual([
      '0.graph.conv1',
      '0.graph.layer1.bn',
      '0.graph.2.sequential.0.relu',
      '0.graph.2.sequential.1.maxPool',
      '0.graph.3.relu',
    ]);
  });

  it('shares the exchanges of norms that end in one sum, and fuses sum and relu', () => {
    const fused = fuseGraph(buildGraph(synchronized, INPUT));
    const pairs = layersSideBySide(fused).map((pair) => pair.map(({ path }) => path));
    expect(pairs).toEqual([['left.1.batchNorm', '2.batchNorm']]);
    const taken = fused.operations.filter((o) => o.op === 'layer' && o.addend !== undefined);
    expect(taken.map(({ path }) => path)).toEqual(['2.batchNorm']);
  });

  it('fuses a sum into the norm before it only if that is one of its inputs', () => {
    const spec = graph((x) => {
      const [a, b] = [x.apply(conv(3, 3)), x.apply(conv(3, 3))];
      const c = x.apply(conv(3, 3), batchNorm(3));
      const sum = add(a, b);
      return concat([sum, c]);
    });
    const { operations } = fuseGraph(buildGraph(spec, INPUT));
    expect(operations.filter((o) => o.op === 'layer' && o.addend !== undefined)).toEqual([]);
  });

  it('folds and converts its norms', () => {
    const spec = graph((x) => {
      const y = x.apply('conv', conv(3, 4)).apply('bn', batchNorm(4));
      return concat([y, y.apply(relu())]);
    });
    const converted = convertNorm(spec, { to: 'group', numGroups: 2 });
    expect(buildGraph(converted, INPUT).operations[1]).toMatchObject({
      path: 'bn',
      spec: { kind: 'groupNorm', numGroups: 2 },
    });
    const values = (length: number, start: number) => ({
      shape: [length],
      values: Float32Array.from({ length }, (_, i) => start + i / 8),
    });
    const weights = new Map([
      ['conv.weight', values(108, -2)],
      ['conv.bias', values(4, 1)],
      ['bn.weight', values(4, 1)],
      ['bn.bias', values(4, 0)],
      ['bn.runningMean', values(4, 0.5)],
      ['bn.runningVar', values(4, 2)],
    ]);
    const { model, folded } = foldBatchNorm(spec, weights, INPUT);
    expect(folded).toEqual([{ layer: 'bn', into: 'conv' }]);
    expect(buildGraph(model, INPUT).operations.map(({ path }) => path)).toEqual([
      'conv',
      'bn.fork',
      '2.relu',
      '3.concat',
    ]);
  });
});

describe('an invalid graph', () => {
  const node = (name: string, layer: unknown, ...from: string[]) => ({ name, layer, from });
  const graphOf = (...nodes: unknown[]) => ({ kind: 'graph', nodes, output: 'y' });

  it.each([
    [
      'reads what comes later',
      graphOf(node('y', relu(), 'z'), node('z', relu(), 'y')),
      /nodes\[0\], from: expected input or an earlier node: input.*, got "z"/,
    ],
    [
      'has a name twice',
      graphOf(node('y', relu(), 'input'), node('y', relu(), 'y')),
      /name of model, nodes\[1\]: expected a unique name.*, got "y"/,
    ],
    ['calls a node input', graphOf(node('input', relu(), 'input')), /a unique name/],
    [
      'leaves a value unread',
      graphOf(node('z', relu(), 'input'), node('y', relu(), 'input')),
      /model never reads z/,
    ],
    [
      'gives a layer two values',
      graphOf(node('y', relu(), 'input', 'input')),
      /from of model, nodes\[0\] \(y\): expected 1, got "2 values".*Try: add, multiply or concat/,
    ],
    ['gives a sum one value', graphOf(node('y', { kind: 'add' }, 'input')), /expected 2/],
    [
      'has no such output',
      { ...graphOf(node('z', relu(), 'input')) },
      /output of model: expected .*, got "y"/,
    ],
    ['has a name with spaces', graphOf(node('a b', relu(), 'input')), /letters, digits/],
    ['joins with options', graphOf(node('y', { kind: 'add', axis: 1 }, 'input', 'input')), /axis/],
    [
      'has a join outside of a graph',
      sequential([]) && { kind: 'sequential', layers: [{ kind: 'add' }] },
      /kind of model, layers\[0\]: expected .*, got "add"/,
    ],
  ])('%s', (_what, json, message) => {
    expect(() => parseModel(json)).toThrow(message);
  });

  it('is refused by its builder', () => {
    const foreign: GraphValue[] = [];
    graph((x) => {
      foreign.push(x);
      return x;
    });
    expect(() => graph((x) => add(x, foreign[0]!))).toThrow(/a value of another graph/);
    expect(() => graph(() => undefined as never)).toThrow(/expected a value of this graph/);
    expect(() =>
      graph((x) => x.apply(...(['two', relu(), relu()] as never as [LayerSpec]))),
    ).toThrow(/one layer per name/);
    expect(() => graph((x) => concat([x]))).toThrow(/at least 2 values/);
    expect(() => graph(relu() as never)).toThrow(/a function from the input to the output/);
    expect(() => graph((x) => x.apply(...(['relu'] as never as [LayerSpec])))).toThrow(
      /one layer per name/,
    );
    expect(() => graph((x) => x.apply(undefined as never))).toThrow(
      /kind of graph, nodes|a layer, such as/,
    );
  });

  it('has shapes that do not fit', () => {
    const build = (model: LayerSpec) => () => buildGraph(model, INPUT);
    expect(build(graph((x) => concat([x, x.apply(maxPool({ kernel: 2 }))])))).toThrow(
      /the inputs of 1.concat: expected shapes that differ only.*, got "4x5x3, 2x2x3"/,
    );
    expect(() => graph((x) => multiply(x, x.apply(conv(3, 4))))).toThrow(
      /the inputs of 1.multiply: expected equal shapes, or one factor.*, got "\?x\?x3, \?x\?x4"/,
    );
    expect(() => graph((x) => add(x, x.apply(conv(3, 4))))).toThrow(/the branches of 1.add/);
    expect(() => graph((x) => add(x.apply(conv(3, 4)), x.apply(conv(3, 5))))).toThrow(
      /equal shapes/,
    );
  });
});
