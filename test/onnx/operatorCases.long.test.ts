// ONNX's published cases of norms, recurrent layers, losses and optimizers with our layers, losses
// and optimizers directly, as in training: those that can be expressed agree with the published
// outputs, and the reasons for all others are listed.

import { beforeEach, describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/base/shape.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { nn, optim } from '../../src/index.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { GATES } from '../../src/onnx/format/gates.ts';
import type { OnnxTensor } from '../../src/onnx/format/model.ts';
import { transposed } from '../../src/onnx/format/transpose.ts';
import { bindOptimizer, countRates, writeRates } from '../../src/optim/bindOptimizer.ts';
import { evaluateSamples } from '../../src/runtime/evaluateSamples.ts';
import { inferenceConfig } from '../../src/runtime/inferenceTeam.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { createFixture } from '../support/kernelFixture.ts';
import { runLayer, type Tensors, worstRelative } from '../support/layers/harness.ts';
import {
  hasOperatorCases,
  type OperatorCase,
  operatorCase,
  operatorCaseNames,
} from '../support/onnx/operatorCases.ts';

const GROUPS = /^(batchnorm|instancenorm|layer_norm|gru|lstm|rnn|simple_rnn|sce|nll|momentum)/;
const OPTIMIZERS = /^(nesterov|adam|adagrad)/;

const PEEPHOLES = 'has peepholes';
const RESETS = 'resets the hidden state before its product, over several time steps';
const LOG_PROB = 'gives out logarithms of probabilities, too';
const NLL = 'takes numbers that are not logarithms of probabilities';
const UNCORRECTED = 'leaves step 0 of adam uncorrected';
const ADAGRAD = 'is adagrad';

/** Why a case is not one of ours; all others agree. */
const LISTED: readonly (readonly [RegExp, string])[] = [
  [/^lstm_with_peepholes$/, PEEPHOLES],
  [/^gru_seq_length$/, RESETS],
  [/^sce_.*_log_prob$/, LOG_PROB],
  [/^nllloss_/, NLL],
  [/^adam/, UNCORRECTED],
  [/^adagrad/, ADAGRAD],
];

/** Features of a case that our layers do not have. */
class Unsaid extends Error {}

type Values = OnnxTensor['values'];

/** What is ours, and what is published. */
interface Pair {
  readonly ours: ArrayLike<number>;
  readonly published: ArrayLike<number>;
}

const pair = (ours: ArrayLike<number>, tensor: OnnxTensor | undefined): readonly Pair[] =>
  tensor === undefined ? [] : [{ ours, published: tensor.values }];

const lastOf = (shape: readonly number[]): readonly number[] => [
  ...[0, ...shape.slice(2).map((_, i) => i + 2)],
  1,
];
const firstOf = (rank: number): readonly number[] => [
  ...[0, rank - 1],
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];

/** A layer on samples whose channels are the last axis. */
function layerRun(
  spec: LayerSpec,
  { x, shape, samples }: { x: Values; shape: readonly number[]; samples: number },
  tensors: {
    readonly parameters: Tensors;
    readonly buffers?: Tensors;
    readonly training?: boolean;
  },
) {
  const values = Float32Array.from(x);
  const dy = tensors.training === true ? { dy: new Float32Array(values.length) } : {};
  const run = { spec, inputShape: shape, shards: [samples], x: values, training: false };
  return runLayer({ ...run, ...tensors, ...dy });
}

function batchNorm(one: OperatorCase): readonly Pair[] {
  const [x, weight, bias, mean, variance] = one.inputs as readonly OnnxTensor[];
  const [y, newMean, newVar] = one.outputs;
  const training = one.number('training_mode', 0) === 1;
  const kept = one.number('momentum', 0.9);
  const [samples, channels, ...pixels] = x!.shape as [number, number, ...number[]];
  const momentum = 1 - kept;
  const spec = nn.batchNorm(channels, { eps: one.number('epsilon', 1e-5), momentum });
  const names = { parameters: ['weight', 'bias'], buffers: ['runningMean', 'runningVar'] };
  const named = (list: readonly string[], values: readonly (OnnxTensor | undefined)[]): Tensors =>
    Object.fromEntries(list.map((name, i) => [`batchNorm.${name}`, floats(values[i]!)]));
  const last = transposed(floats(x!), x!.shape, lastOf(x!.shape));
  const shape = [...pixels, channels];
  const found = layerRun(
    spec,
    { x: last, shape, samples },
    {
      parameters: named(names.parameters, [weight, bias]),
      buffers: Object.fromEntries(
        names.buffers.map((name, i) => [
          `batchNorm.${name}`,
          Float64Array.from([mean, variance][i]!.values),
        ]),
      ),
      training,
    },
  );
  const ours = transposed(found.y, [samples, ...shape], firstOf(shape.length + 1));
  // ONNX moves the variance by that of the batch, which ours divides by one less, as PyTorch does.
  const n = samples * sizeOf(pixels);
  const biased = Float64Array.from(found.buffers['batchNorm.runningVar']!, (value, c) => {
    const before = variance!.values[c]! * kept;
    return before + ((value - before) * (n - 1)) / n;
  });
  return [
    ...pair(ours, y),
    ...pair(found.buffers['batchNorm.runningMean']!, newMean),
    ...pair(biased, newVar),
  ];
}

const floats = ({ values }: OnnxTensor): Float32Array => Float32Array.from(values);

function instanceNorm(one: OperatorCase): readonly Pair[] {
  const [x, weight, bias] = one.inputs as readonly OnnxTensor[];
  const [samples, channels, ...pixels] = x!.shape as [number, number, ...number[]];
  const spec = nn.instanceNorm(channels, { eps: one.number('epsilon', 1e-5), affine: true });
  const shape = [...pixels, channels];
  const last = transposed(floats(x!), x!.shape, lastOf(x!.shape));
  const parameters = {
    'instanceNorm.weight': floats(weight!),
    'instanceNorm.bias': floats(bias!),
  };
  const { y } = layerRun(spec, { x: last, shape, samples }, { parameters });
  return pair(transposed(y, [samples, ...shape], firstOf(shape.length + 1)), one.outputs[0]);
}

function layerNorm(one: OperatorCase): readonly Pair[] {
  const [x, weight, bias] = one.inputs as readonly (OnnxTensor | undefined)[];
  const given = one.number('axis', -1);
  const axis = given < 0 ? given + x!.shape.length : given;
  const shape = x!.shape.slice(axis);
  const eps = one.number('epsilon', 1e-5);
  const parameters = {
    'layerNorm.weight': floats(weight!),
    'layerNorm.bias': bias === undefined ? new Float32Array(sizeOf(shape)) : floats(bias),
  };
  const rows = { x: x!.values, shape, samples: sizeOf(x!.shape.slice(0, axis)) };
  const { y } = layerRun(nn.layerNorm(shape, { eps }), rows, { parameters });
  return pair(y, one.outputs[0]);
}

function recurrent(one: OperatorCase): readonly Pair[] {
  const [x, w, r, b, lengths, , , peepholes] = one.inputs;
  if (peepholes !== undefined) throw new Unsaid(PEEPHOLES);
  const isBatchwise = one.number('layout', 0) === 1;
  const [first, second, inputSize] = x!.shape as [number, number, number];
  const [samples, times] = isBatchwise ? [first, second] : [second, first];
  if (lengths?.values.some((length) => length !== times)) throw new Unsaid('lengths');
  const hiddenSize = r!.shape[2]!;
  const op = one.op as keyof typeof GATES;
  const gates: readonly number[] = GATES[op];
  const rows = gates.length * hiddenSize;
  const ours = (values: Values, columns: number): Float32Array => {
    const length = hiddenSize * columns;
    const ordered = gates.flatMap((_, gate) => {
      const at = gates.indexOf(gate) * length;
      return [...values.subarray(at, at + length)];
    });
    return transposed(Float32Array.from(ordered), [rows, columns], [1, 0]);
  };
  const biases = b?.values ?? new Float32Array(2 * rows);
  const [biasIh, biasHh] = [ours(biases.subarray(0, rows), 1), ours(biases.subarray(rows), 1)];
  if (op === 'GRU' && one.number('linear_before_reset', 0) === 0) {
    // In the first step, from zeros, the two differ by the bias alone that is reset.
    if (times > 1) throw new Unsaid(RESETS);
    for (let i = 2 * hiddenSize; i < rows; i++) {
      biasIh[i]! += biasHh[i]!;
      biasHh[i] = 0;
    }
  }
  const make = { RNN: nn.rnn, GRU: nn.gru, LSTM: nn.lstm }[op];
  const spec = make(inputSize, hiddenSize, { returnSequence: true });
  const parameters = {
    weightIh: ours(w!.values, inputSize),
    weightHh: ours(r!.values, hiddenSize),
    ...{ biasIh, biasHh },
  };
  const named = Object.entries(parameters).map(([name, values]) => [
    `${spec.kind}.${name}`,
    values,
  ]);
  const turned = isBatchwise ? floats(x!) : transposed(floats(x!), x!.shape, [1, 0, 2]);
  const run = { x: turned, shape: [times, inputSize], samples };
  const { y } = layerRun(spec, run, { parameters: Object.fromEntries(named) });
  const all = isBatchwise ? y : transposed(y, [samples, times, hiddenSize], [1, 0, 2]);
  const last = Array.from({ length: samples }, (_, i) => {
    return [...y.subarray(((i + 1) * times - 1) * hiddenSize, (i + 1) * times * hiddenSize)];
  });
  return [...pair(all, one.outputs[0]), ...pair(last.flat(), one.outputs[1])];
}

/** Scores [N, C, ...] and a class for each pixel, by the evaluation of a model that has no layers
 * that change anything. */
async function crossEntropy(one: OperatorCase): Promise<readonly Pair[]> {
  if (one.outputs.length > 1) throw new Unsaid(LOG_PROB);
  const [x, labels, classWeights] = one.inputs as readonly (OnnxTensor | undefined)[];
  const [samples, classes, ...pixels] = x!.shape as [number, number, ...number[]];
  const shape = [pixels[0] ?? 1, sizeOf(pixels.slice(1)), classes];
  const ignored = one.number('ignore_index', -100);
  // A class that is left out is -100 here, or one of those that there are.
  const targets = Int32Array.from(labels!.values, (label) => (label === ignored ? -100 : label));
  const split = {
    count: samples,
    inputs: transposed(floats(x!), x!.shape, lastOf(x!.shape)),
    targets,
  };
  const data: Dataset = {
    name: 'scores',
    inputShape: shape,
    inputType: 'f32',
    task: { kind: 'segmentation', classes, targetShape: shape.slice(0, 2) },
    mean: new Array<number>(classes).fill(0),
    std: new Array<number>(classes).fill(1),
    train: split,
    test: split,
  };
  const weights = classWeights && [...classWeights.values];
  const loss = nn.crossEntropy({ ignoreIndex: -100, ...(weights && { classWeights: weights }) });
  const model = nn.dropout(0.5);
  const run = { model, data, loss, optimizer: optim.sgd({ lr: 1 }), replicas: 1, globalBatch: 1 };
  const config = inferenceConfig(resolveOptions(run), { workers: 1 });
  const alone = { config, fill: () => {}, isOwnThread: true };
  const mean = (await evaluateSamples(alone, data, {})).loss;
  const mass = targets.reduce((sum, c) => sum + (c === -100 ? 0 : (weights?.[c] ?? 1)), 0);
  const published = one.outputs[0]!.values;
  const reduction = one.text('reduction', 'mean');
  if (reduction === 'mean') return [{ ours: [mean], published }];
  // Of losses that are not reduced we have the mean.
  const sum = Float64Array.from(published).reduce((all, value) => all + value, 0);
  return [{ ours: [mean * mass], published: [sum] }];
}

const fixture = createFixture('strict', 16);

/** Momentum of ONNX: rate, step, then parameters, gradients and momenta. */
function momentum(one: OperatorCase): readonly Pair[] {
  const [rate, step, ...tensors] = one.inputs as readonly OnnxTensor[];
  const count = tensors.length / 3;
  if (step!.values[0]! > 0 && one.number('beta', 1) !== 1) throw new Unsaid('dampens gradients');
  const spec = optim.sgd({
    lr: rate!.values[0]!,
    momentum: one.number('alpha', 0),
    weightDecay: one.number('norm_coefficient', 0),
    nesterov: one.text('mode', 'standard') === 'nesterov',
  });
  const ratesPtr = fixture.reserve(countRates(spec), 8);
  writeRates(spec, 0, spec.lr, fixture.f64(ratesPtr, countRates(spec)));
  const optimizer = bindOptimizer(spec, fixture.kernels, ratesPtr);
  return Array.from({ length: count }, (_, i) => {
    const [x, g, v] = [0, 1, 2].map((kind) => tensors[kind * count + i]!);
    const length = x!.values.length;
    const [paramPtr, gradPtr, statePtr] = [x, g, v].map((one) => fixture.place(floats(one!)));
    const block = { paramPtr: paramPtr!, gradPtr: gradPtr!, statePtrs: [statePtr!], length };
    optimizer.update({ ...block, decays: true });
    return [
      ...pair(Float32Array.from(fixture.f32(paramPtr!, length)), one.outputs[i]),
      ...pair(Float32Array.from(fixture.f32(statePtr!, length)), one.outputs[count + i]),
    ];
  }).flat();
}

const unsaid = (why: string) => (): never => {
  throw new Unsaid(why);
};

const BY_OPERATOR: Readonly<
  Record<string, (one: OperatorCase) => readonly Pair[] | Promise<readonly Pair[]>>
> = {
  Adagrad: unsaid(ADAGRAD),
  Adam: unsaid(UNCORRECTED),
  BatchNormalization: batchNorm,
  GRU: recurrent,
  InstanceNormalization: instanceNorm,
  LSTM: recurrent,
  LayerNormalization: layerNorm,
  Momentum: momentum,
  NegativeLogLikelihoodLoss: unsaid(NLL),
  RNN: recurrent,
  SoftmaxCrossEntropyLoss: crossEntropy,
};

describe.skipIf(!hasOperatorCases)(
  "ONNX's test cases of norms, recurrent layers and training",
  () => {
    beforeEach(() => fixture.reset());
    const names = hasOperatorCases
      ? [...operatorCaseNames(GROUPS), ...operatorCaseNames(OPTIMIZERS)]
      : [];

    it.each(names)('%s agrees, or is listed with its reason', async (name) => {
      const listed = LISTED.find(([of]) => of.test(name))?.[1];
      const one = operatorCase(name);
      const pairs = Promise.resolve().then(() => BY_OPERATOR[one.op]!(one));
      if (listed !== undefined) {
        await expect(pairs).rejects.toThrow(new Unsaid(listed));
        return;
      }
      const all = await pairs;
      expect(all.length).toBeGreaterThan(0);
      for (const { ours, published } of all) {
        expect(ours.length).toBe(published.length);
        expect(worstRelative(Float64Array.from(ours), Float64Array.from(published))).toBeLessThan(
          1e-5,
        );
      }
    });

    it('have not changed in number', () => {
      const agreeing = names.filter((name) => !LISTED.some(([of]) => of.test(name)));
      expect([names.length, agreeing.length]).toEqual([96, 55]);
    });
  },
);
