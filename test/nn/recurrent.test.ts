import { describe, expect, it } from 'vitest';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { gruKind, rnnKind } from '../../src/nn/recurrent/recurrentKinds.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import {
  gru,
  lstm,
  type RecurrentNorm,
  type RecurrentSpec,
  rnn,
} from '../../src/nn/specs/recurrent.ts';
import { MODES, testValues } from '../support/kernelFixture.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  expectReference,
  type ProofCase,
  sampleRun,
  type Tolerance,
} from '../support/layers/proofs.ts';

/** Every time step rounds again what the one before it has rounded. */
const THROUGH_TIME: Tolerance = { activations: 4e-6, weights: 6e-6, wide: 6e-6 };
/** Of batches that differ little in a column, whose variance is close to eps. */
const NARROW_BATCHES: Tolerance = { activations: 3e-5, weights: 3e-5, wide: 3e-5 };

const item = (name: string, spec: RecurrentSpec, steps: number): ProofCase => ({
  name,
  spec,
  inputShape: [steps, spec.inputSize],
});

const CASES: readonly ProofCase[] = [
  item('rnn, one value, one step', rnn(1, 1), 1),
  item('rnn, sequence', rnn(5, 9, { returnSequence: true }), 6),
  item('rnn, no bias', rnn(3, 8, { bias: false }), 4),
  item('rnn, layer norm', rnn(4, 6, { norm: 'layer' }), 5),
  item('rnn, layer norm, no bias', rnn(4, 6, { norm: 'layer', bias: false }), 3),
  item('gru', gru(3, 4), 5),
  item('gru, one value', gru(1, 1, { returnSequence: true }), 3),
  item('gru, sequence', gru(7, 13, { returnSequence: true }), 5),
  item('gru, layer norm', gru(3, 5, { norm: 'layer', returnSequence: true }), 4),
  item('lstm', lstm(3, 4), 5),
  item('lstm, one value', lstm(1, 1, { returnSequence: true }), 3),
  item('lstm, sequence', lstm(7, 13, { returnSequence: true, bias: false }), 5),
  // The first cells differ little, and with the usual eps the norm of theirs is steep.
  item('lstm, layer norm', lstm(3, 8, { norm: 'layer', eps: 0.1, returnSequence: true }), 3),
];

const RELU = item('rnn, relu', rnn(3, 5, { nonlinearity: 'relu' }), 4);

const SHARDINGS = [[5], [3, 2], [2, 2, 1, 0, 0], [2, 3, 2]];
/** Without shards of one sample. */
const BATCH_SHARDINGS = [[6], [3, 3], [3, 0, 4, 0, 0], [4, 3, 4]];

describe.each(MODES)('a recurrent layer equals its plain loop over time, %s build', (mode) => {
  it.each([...CASES, RELU].map((proof) => [proof.name, proof] as const))('%s', (_, proof) => {
    for (const shards of SHARDINGS) {
      const run = { ...sampleRun(proof, shards), mode };
      expectReference(run, runLayer(run), THROUGH_TIME);
    }
  });

  it.each([
    ['rnn, local', rnn(3, 4, { norm: 'batch' })],
    ['gru, local, sequence', gru(3, 4, { norm: 'batch', returnSequence: true })],
    ['rnn, sync, sequence', rnn(3, 4, { norm: 'batch', sync: 'all', returnSequence: true })],
    ['gru, sync', gru(3, 4, { norm: 'batch', sync: 'all' })],
    ['gru, groups of 2, no bias', gru(3, 4, { norm: 'batch', sync: 2, bias: false })],
    ['lstm, sync, sequence', lstm(3, 4, { norm: 'batch', sync: 'all', returnSequence: true })],
    ['lstm, groups of 2, no bias', lstm(3, 4, { norm: 'batch', sync: 2, bias: false })],
  ])('with batch norm, %s', (name, spec) => {
    for (const shards of BATCH_SHARDINGS) {
      const run = { ...sampleRun(item(name, spec, 4), shards), mode };
      expectReference(run, runLayer(run), NARROW_BATCHES);
    }
  });
});

describe('rnn', () => {
  describeGoldenLayer('rnn', THROUGH_TIME);
});

describe('gru', () => {
  describeGoldenLayer('gru', THROUGH_TIME);
});

describe('lstm', () => {
  describeGoldenLayer('lstm', THROUGH_TIME);

  it('carries its cell unchanged while the forget gate is open and the input gate closed', () => {
    // sigmoid(+-100) is 1 or 0 to the last bit; c(1) = tanh(5) where the first input opens i.
    const spec = lstm(1, 1, { returnSequence: true });
    const { y } = runLayer({
      ...{ spec, inputShape: [4, 1], shards: [1], x: Float32Array.of(1, 0, 0, 0) },
      parameters: {
        'lstm.weightIh': Float32Array.of(200, 0, 5, 0),
        'lstm.weightHh': new Float32Array(4),
        'lstm.biasIh': Float32Array.of(-100, 100, 0, 100),
        'lstm.biasHh': new Float32Array(4),
      },
    });
    expect(y).toEqual(new Float32Array(4).fill(Math.tanh(Math.fround(Math.tanh(5)))));
  });

  it('starts the biases of the forget gate with forgetBias, and the others as usual', () => {
    const setup = { inputShape: [2, 3], shards: [2], x: testValues(12) };
    const plain = runLayer({ ...setup, spec: lstm(3, 2) }).parameters;
    const given = runLayer({ ...setup, spec: lstm(3, 2, { forgetBias: 1 }) }).parameters;
    const withForget = (values: ArrayLike<number>, value: number) =>
      Float32Array.from(values, (one, i) => (i === 2 || i === 3 ? value : one));
    const [biasIh, biasHh] = [plain['lstm.biasIh']!, plain['lstm.biasHh']!];
    expect(given).toEqual({
      ...plain,
      'lstm.biasIh': withForget(biasIh, 1),
      'lstm.biasHh': withForget(biasHh, 0),
    });
    expect(() => lstm(3, 4, { forgetBias: 1, bias: false })).toThrow(
      /lstm forgetBias with bias: false: expected .*, got 1/,
    );
    expect(() => lstm(3, 4, { forgetBias: Number.NaN })).toThrow(
      /lstm forgetBias: expected .*, got NaN/,
    );
  });
});

describe('a recurrent layer', () => {
  const batch = rnn(3, 4, { norm: 'batch', sync: 'all' });
  describeDifferences([
    ...CASES,
    item('gru, batch norm', gru(2, 3, { norm: 'batch', sync: 2 }), 3),
    item('lstm, batch norm', lstm(2, 3, { norm: 'batch', sync: 2 }), 3),
  ]);

  it('keeps the state of a gru with an open update gate, and starts at 0', () => {
    // z = sigmoid(100) = 1 to the last bit: h(t) = h(t - 1) = 0.
    const spec = gru(2, 3, { returnSequence: true });
    const biasIh = Float32Array.of(0, 0, 0, 100, 100, 100, 5, 5, 5);
    const { y } = runLayer({
      ...{ spec, inputShape: [4, 2], shards: [2], x: new Float32Array(16) },
      parameters: { 'gru.biasIh': biasIh, 'gru.biasHh': new Float32Array(9) },
    });
    expect(y).toEqual(new Float32Array(24));
  });

  it('counts the steps of an unrolled relu network with unit weights', () => {
    const spec = rnn(1, 1, { nonlinearity: 'relu', bias: false, returnSequence: true });
    const one = Float32Array.of(1);
    const found = runLayer({
      ...{ spec, inputShape: [4, 1], shards: [1], x: new Float32Array(4).fill(1) },
      dy: Float32Array.of(0, 0, 0, 1),
      parameters: { 'rnn.weightIh': one, 'rnn.weightHh': one },
    });
    expect([...found.y]).toEqual([1, 2, 3, 4]);
    expect([...found.dx]).toEqual([1, 1, 1, 1]);
    expect([...found.gradients['rnn.weightIh']!]).toEqual([4]);
    // h(0) + h(1) + h(2) + h(3) = 0 + 1 + 2 + 3.
    expect([...found.gradients['rnn.weightHh']!]).toEqual([6]);
  });

  it('gives all workers the statistics of one shard if it synchronizes', () => {
    const whole = sampleRun(item('batch', batch, 4), [8]);
    const split = { ...whole, shards: [3, 1, 4, 0] };
    const [one, many] = [runLayer(whole), runLayer(split)];
    for (const [name, values] of Object.entries(one.buffers)) {
      for (const [i, value] of values.entries()) {
        // Merged in another order, in float64.
        expect(many.buffers[name]![i]).toBeCloseTo(value, 6);
      }
    }
    expect(one.buffers['rnn.numBatchesTrackedIh']).toEqual(new Float64Array(4).fill(1));
    expect(one.buffers['rnn.runningMeanIh']!.length).toBe(16);
  });

  it('trains with batch statistics, and evaluates with running statistics per time step', () => {
    const run = sampleRun(item('batch', batch, 3), [6]);
    const training = runLayer(run);
    const shifted = run.x.map((value) => value + 50);
    const moved = runLayer({ ...run, x: shifted });
    for (const [i, value] of training.y.entries()) expect(moved.y[i]).toBeCloseTo(value, 3);
    const evaluated = runLayer({ ...run, training: false, buffers: training.buffers });
    const alone = { ...run, shards: [1], x: run.x.slice(0, 9), dy: run.dy!.slice(0, 4) };
    const single = runLayer({ ...alone, training: false, buffers: training.buffers });
    expect(single.y).toEqual(evaluated.y.slice(0, 4));
  });

  it.each([
    ['rnn', rnn(3, 4, { norm: 'batch', momentum: 1 })],
    ['gru', gru(3, 4, { norm: 'batch', momentum: 1, returnSequence: true })],
    ['lstm', lstm(3, 4, { norm: 'batch', momentum: 1 })],
  ])('evaluates a batch as in training, given the statistics of that batch, %s', (_, spec) => {
    const samples = 6;
    const run = sampleRun(item('batch', spec, 5), [samples]);
    const training = runLayer(run);
    // Running variances are unbiased; those of training are not.
    const buffers = Object.fromEntries(
      Object.entries(training.buffers).map(([name, values]) => [
        name,
        name.includes('Var') ? values.map((v) => (v * (samples - 1)) / samples) : values,
      ]),
    );
    const { y } = runLayer({ ...run, buffers, training: false });
    for (const [i, value] of training.y.entries()) expect(y[i]).toBeCloseTo(value, 4);
  });

  it('names layer and time step if a batch has one sample, and other mismatches', () => {
    const x = testValues(6);
    const spec = rnn(3, 4, { norm: 'batch' });
    expect(() => runLayer({ spec, inputShape: [2, 3], shards: [1], x })).toThrow(
      /values per channel in the sync group of 1\.rnn, time step 0: expected .*, got 1/,
    );
    expect(() => rnnKind.outputShape(rnn(3, 4), [5, 2], '2.rnn')).toThrow(
      /input of 2\.rnn: expected a sequence \[T, 3\], time steps first.*, got "5x2"/,
    );
    expect(() => gruKind.outputShape(gru(3, 4), [28, 28, 1], 'gru')).toThrow('got "28x28x1"');
    expect(() => rnn(0, 4)).toThrow(/rnn inputSize: expected .*, got 0/);
    expect(() => gru(3, 4, { norm: 'group' as RecurrentNorm })).toThrow(
      /gru norm: expected .*, got "group"/,
    );
    expect(() => gru(3, 4, { sync: 'all' })).toThrow("gru sync with norm 'none'");
    expect(() => rnn(3, 4, { nonlinearity: 'gelu' as 'tanh' })).toThrow('rnn nonlinearity');
  });
});

describe('convertNorm of recurrent layers', () => {
  const model = sequential([gru(3, 4, { norm: 'batch' }), relu()]);
  const place = { replicas: 4, inputShape: [5, 3] };

  it.each([
    [{ to: 'sync' }, { norm: 'batch', sync: 'all' }],
    [
      { to: 'sync', groupSize: 2 },
      { norm: 'batch', sync: 2 },
    ],
    [{ to: 'local' }, { norm: 'batch', sync: 'local' }],
    [{ to: 'layer', inputShape: [5, 3] }, { norm: 'layer' }],
    [{ to: 'group' }, { norm: 'layer' }],
    [{ to: 'none' }, { norm: 'none' }],
    [
      { to: 'auto', ...place, replicaBatch: 8 },
      { norm: 'batch', sync: 'all' },
    ],
    [{ to: 'auto', ...place, replicaBatch: 4 }, { norm: 'layer' }],
  ] as const)('changes the option that they have, %j', (options, changes) => {
    const expected = sequential([{ ...gru(3, 4, { norm: 'batch' }), ...changes }, relu()]);
    expect(convertNorm(model, options)).toEqual(expected);
  });

  it('also changes an lstm, and keeps its other options', () => {
    const plain = lstm(3, 4, { norm: 'batch', forgetBias: 1 });
    expect(convertNorm(plain, { to: 'group' })).toEqual({ ...plain, norm: 'layer' });
    expect(convertNorm(plain, { to: 'none' })).toEqual({ ...plain, norm: 'none' });
  });

  it('does not change layers without norms, and names missing alternatives', () => {
    const bare = sequential([gru(3, 4), relu()]);
    expect(convertNorm(bare, { to: 'instance' })).toEqual(bare);
    expect(() => convertNorm(model, { to: 'frozen' })).toThrow("convertNorm of 0.gru to 'frozen'");
  });
});
