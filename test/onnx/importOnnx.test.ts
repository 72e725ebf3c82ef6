import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Shape } from '../../src/base/shape.ts';
import type { NamedValues } from '../../src/checkpoint/foldNorm.ts';
import { Flags } from '../../src/cli/settings/flags.ts';
import { netFrom } from '../../src/cli/settings/settings.ts';
import { exportOnnx, importOnnx, nn, synthetic } from '../../src/index.ts';
import { type LayerSpec, leavesOf } from '../../src/nn/specs/spec.ts';
import { encodeModel } from '../../src/onnx/format/encode.ts';
import {
  float,
  int,
  ints,
  type OnnxModel,
  type OnnxTensor,
  text,
} from '../../src/onnx/format/model.ts';
import { worstRelative } from '../support/layers/harness.ts';
import { floats, foreign, list, positive, type Step, scalar } from '../support/onnx/foreign.ts';
import { image } from '../support/onnx/layerCases.ts';
import {
  channelsFirstShape,
  ourOutputs,
  runOnnx,
  someSamples,
  someWeights,
  toChannelsFirst,
} from '../support/onnx/runtime.ts';

/** Nets that are exported and imported again. */
const nets: readonly (readonly [string, LayerSpec, Shape])[] = [
  [
    'activations',
    nn.sequential([
      ...[nn.relu6(), nn.leakyRelu(0.3), nn.prelu({ numParameters: 4 }), nn.elu(0.7)],
      ...[nn.silu(), nn.hardSwish(), nn.hardSigmoid(), nn.tanh(), nn.sigmoid(), nn.softmax()],
    ]),
    image,
  ],
  [
    'convolutions and pools',
    nn.sequential([
      nn.conv2d(4, 6, { kernel: 3, stride: [2, 1], padding: [1, 0], groups: 2 }),
      nn.batchNorm(6),
      nn.conv2d(6, 6, { kernel: [2, 3], padding: 'same', groups: 6, bias: false }),
      nn.maxPool({ kernel: 2, stride: 1, padding: { top: 1 } }),
      nn.avgPool({ kernel: 2, padding: 1, countIncludePad: false }),
      nn.flatten(),
      nn.linear(36, 5),
      nn.batchNorm(5),
    ]),
    image,
  ],
  [
    'shapes',
    nn.sequential([
      ...[nn.pad({ top: 1, left: 2 }), nn.slice({ rows: [1, 6], channels: [1, 4] })],
      ...[nn.upsample({ scale: 2 }), nn.upsample({ scale: [1, 2], mode: 'bilinear' })],
      ...[nn.globalAvgPool(), nn.linear(3, 2)],
    ]),
    image,
  ],
  [
    'gates and joins',
    nn.graph((x) => {
      const y = x.apply(nn.conv2d(4, 4, { kernel: 1 }));
      const gate = y.apply(nn.globalAvgPool(), nn.linear(4, 4), nn.hardSigmoid());
      const both = nn.concat([nn.multiply(y, gate), nn.add(x, y)]);
      return both.apply(nn.batchNorm(8), nn.conv2d(8, 3, { kernel: 2 }));
    }),
    image,
  ],
  ['vectors', nn.sequential([nn.linear(5, 4), nn.relu(), nn.dropout(), nn.linear(4, 3)]), [5]],
];

describe('a net from ONNX', () => {
  it.each(nets)('computes the same as what was exported: %s', async (_, model, inputShape) => {
    const weights = someWeights(model, inputShape);
    const net = await importOnnx(await exportOnnx({ model, weights, inputShape }));
    expect(net.inputShape).toEqual(inputShape);
    const x = someSamples(3, inputShape);
    const before = ourOutputs(model, weights, { inputShape, x });
    const after = ourOutputs(net.model, net.weights, { inputShape, x });
    expect(after.outputShape).toEqual(before.outputShape);
    expect(worstRelative(after.y, before.y)).toBeLessThan(1e-6);
    const kinds = leavesOf(model).filter(({ kind }) => kind.startsWith('hard'));
    expect(leavesOf(net.model).filter(({ kind }) => kind.startsWith('hard'))).toEqual(kinds);
  });
});

const files: readonly (readonly [string, OnnxModel])[] = [
  [
    'a flatten with channels outermost before a norm and a product',
    foreign(
      [
        ['Flatten', ['.']],
        ['BatchNormalization', ['.', 'g', 'b', 'm', 'v']],
        ['Relu', ['.']],
        ['Gemm', ['.', 'w', 'c'], { transB: int(1), alpha: float(0.5), beta: float(2) }],
        ['Softmax', ['.']],
      ],
      {
        ...{ g: floats(168), b: floats(168), m: floats(168), v: positive(168) },
        w: floats(3, 168),
        c: floats(3),
      },
    ),
  ],
  [
    'a flatten by shapes, and a matrix product with its bias apart',
    foreign(
      [
        ['Shape', ['x']],
        ['Gather', ['.', 'zero'], { axis: int(0) }],
        ['Unsqueeze', ['.'], { axes: ints([0]) }],
        ['Concat', ['.', 'minus'], { axis: int(0) }],
        ['Reshape', ['x', '.']],
        ['MatMul', ['.', 'w']],
        ['Add', ['c', '.']],
      ],
      { ...{ zero: { ...list(0), shape: [] }, minus: list(-1) }, w: floats(168, 2), c: floats(2) },
      { opset: 12 },
    ),
  ],
  [
    'hard-swish and clips in parts',
    foreign(
      [
        ['Conv', ['.', 'w'], { auto_pad: text('SAME_LOWER'), strides: ints([2, 2]) }],
        ['Add', ['.', 'three']],
        ['Clip', ['.', 'zero', 'six']],
        ['Mul', ['v0', '.']],
        ['Div', ['.', 'six']],
        ['HardSigmoid', ['.'], {}],
        ['Clip', ['.', 'zero', 'half']],
        ['Clip', ['.', '', 'quarter']],
        ['Clip', ['.', 'tenth']],
      ],
      {
        ...{ w: floats(5, 4, 2, 3), zero: scalar(0), three: scalar(3), six: scalar(6) },
        ...{ half: scalar(0.6), quarter: scalar(0.55), tenth: scalar(0.4) },
      },
    ),
  ],
  [
    'constants of each channel, squeezed gates and windows that reach beyond the image',
    foreign(
      [
        ['Sub', ['.', 'm']],
        ['Mul', ['.', 's']],
        ['GlobalAveragePool', ['.']],
        ['Conv', ['.', 'w', 'b']],
        ['Sigmoid', ['.']],
        ['Mul', ['.', 'v1']],
        ['Sub', ['.', 'x']],
        [
          'MaxPool',
          ['.'],
          { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) },
        ],
        ['Pad', ['.', 'pads']],
        ['ReduceMean', ['.'], { axes: ints([2, 3]), keepdims: int(0) }],
      ],
      {
        ...{ m: floats(4, 1, 1), s: floats(1, 4, 1, 1), w: floats(4, 4, 1, 1), b: floats(4) },
        pads: list(0, 0, 1, 0, 0, 0, 0, 2),
      },
    ),
  ],
];

describe('a file from other software', () => {
  it.each(files)('computes the same as there: %s', async (_, file) => {
    const bytes = encodeModel(file);
    const { model, weights } = await importOnnx(bytes);
    const x = someSamples(3, image);
    const [expected] = Object.values(
      await runOnnx(bytes, toChannelsFirst(x, image), [3, ...channelsFirstShape(image)]),
    );
    const { y, outputShape } = ourOutputs(model, weights, { inputShape: image, x });
    expect(worstRelative(toChannelsFirst(y, outputShape), expected!.values)).toBeLessThan(1e-5);
  });

  it('is refused with the name of the unsupported node', async () => {
    const refused = (steps: readonly Step[], constants: Readonly<Record<string, OnnxTensor>>) =>
      expect(importOnnx(encodeModel(foreign(steps, constants)))).rejects;
    await refused(
      [
        ['Relu', ['.']],
        ['Einsum', ['.']],
      ],
      {},
    ).toThrow(/unsupported operators: node1 \(Einsum\)/);
    await refused([['Add', ['.', 'c']]], { c: floats(7, 6) }).toThrow(
      /node0 \(Add\) of .* \[7,6\]/,
    );
    await refused([['Conv', ['.', 'y']]], {}).toThrow(/node0 \(Conv\).* reads y, which no earlier/);
    const wide = { kernel_shape: ints([2, 2]), pads: ints([3, 3, 3, 3]) };
    await refused([['MaxPool', ['.'], wide]], {}).toThrow(/node0 \(MaxPool\) .* fits no layer/);
    const training = { training_mode: int(1) };
    const constants = { g: floats(4), m: floats(4), v: positive(4) };
    const norm: Step = ['BatchNormalization', ['.', 'g', 'g', 'm', 'v'], training];
    await refused([norm], constants).toThrow(/training_mode 1.* Try: exporting the model/);
    const scales = { type: 'float', shape: [4], values: Float32Array.of(1, 1, 0.5, 0.5) } as const;
    const corners = { mode: text('linear'), coordinate_transformation_mode: text('align_corners') };
    await refused([['Resize', ['.', '', 'scales'], corners]], { scales }).toThrow(
      /node0 \(Resize\) .* scales 7x6 pixels to 3.5x3/,
    );
  });

  it('is refused without outputs, and briefly whatever its names', async () => {
    const file = foreign([['Relu', ['.']]], {});
    const read = (changes: Partial<OnnxModel>) => importOnnx(encodeModel({ ...file, ...changes }));
    await expect(read({ outputs: [] })).rejects.toThrow(/has no outputs/);
    const [node] = file.nodes;
    const long = { ...node!, name: 'n'.repeat(5000) };
    await expect(read({ nodes: [long] })).rejects.toThrow(/characters of a name.*1000.*5000/);
    const many = Array.from({ length: 5 }, () => ({ ...node!, name: 'n'.repeat(900), op: 'No' }));
    const told = await read({ nodes: many }).catch((error: Error) => error.message);
    expect(String(told).length).toBeLessThan(2000);
    expect(told).toMatch(/unsupported operators: n{100}\.\.\. \(No\)/);
  });

  it('is a model or is refused, whatever its bytes', async () => {
    const whole = encodeModel(files[2]![1]);
    await expect(importOnnx(whole)).resolves.toBeDefined();
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    const property = fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 3 }),
      fc.nat(whole.length),
      fc.boolean(),
      async (changes, length, isCut) => {
        const bytes = whole.slice(0, isCut ? length : whole.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        await importOnnx(bytes).catch((error: unknown) => {
          if (!(error instanceof UsageError)) throw error;
        });
      },
    );
    await fc.assert(property, { numRuns: 300 });
  });
});

describe('--model net.onnx', () => {
  it('is the net with its weights and norms, without a softmax at its end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'syncbn-onnx-in-'));
    try {
      const file = join(folder, 'net.onnx');
      const inputShape = [4, 4, 1];
      const layers = [nn.batchNorm(1), nn.flatten(), nn.linear(16, 3)];
      const model = nn.sequential([...layers, nn.softmax()]);
      const weights = someWeights(model, inputShape);
      writeFileSync(file, await exportOnnx({ model, weights, inputShape }));
      const data = synthetic({ train: 8, test: 4, shape: inputShape, classes: 3 });
      const flags = new Flags({ model: file });
      const asked = await netFrom(flags, data);
      expect(leavesOf(asked.model)).toEqual(layers);
      const start = asked.weights as NamedValues;
      expect([...start.keys()].sort()).toEqual([...weights.keys()].sort());
      const other = await netFrom(flags.with({ weights: 'other.ckpt' }), data);
      expect(other).toEqual({ model: asked.model });
      await expect(netFrom(flags.with({ width: '2' }), data)).rejects.toThrow(/--width/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
