// Losses: specs, PyTorch's numbers, and the scale of the gradient.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { StepState } from '../../src/nn/layers/layer.ts';
import { bindLoss } from '../../src/nn/layers/lossKinds.ts';
import { crossEntropy, type LossSpec, meanSquaredError } from '../../src/nn/specs/losses.ts';
import { type GoldenLoss, loadGoldenLayers } from '../support/golden/load.ts';
import { createFixture, MODES, testValues } from '../support/kernelFixture.ts';
import { worstUlps } from '../support/layers/golden.ts';

const fixtures = new Map(MODES.map((mode) => [mode, createFixture(mode, 16)]));

/** Runs a loss over N outputs, as one worker that has all samples of a global batch. */
function runLoss(
  spec: LossSpec,
  output: Float32Array,
  targets: Int32Array | Float32Array,
  options: {
    readonly count: number;
    readonly training?: boolean;
    readonly globalCount?: number;
    readonly positions?: number;
    readonly mode?: (typeof MODES)[number];
  },
) {
  const { count, training = true, globalCount = count, mode = 'strict', positions = 1 } = options;
  const fixture = fixtures.get(mode)!;
  fixture.reset();
  const step: StepState = {
    training,
    step: 0,
    countSamples: count,
    grainStart: Int32Array.of(0, count),
    firstSample: 0,
    isSnapshot: false,
    globalCount,
  };
  const outputGradPtr = fixture.reserve(output.length);
  const lossesPtr = fixture.reserve(count, 8);
  const correctPtr = fixture.reserve(count);
  bindLoss(spec, {
    kernels: fixture.kernels,
    memory: fixture.memory,
    step,
    capacity: count,
    outputLength: output.length / count,
    positions,
    outputPtr: fixture.place(output),
    outputGradPtr,
    labelsPtr: targets instanceof Int32Array ? fixture.place(targets) : 0,
    numbersPtr: targets instanceof Int32Array ? 0 : fixture.place(targets),
    weightsPtr: 0,
    outputWeightsPtr: 0,
    lossesPtr,
    correctPtr,
  }).run();
  return {
    losses: Float64Array.from(fixture.f64(lossesPtr, count)),
    correct: Int32Array.from(fixture.i32(correctPtr, count)),
    gradient: Float32Array.from(fixture.f32(outputGradPtr, output.length)),
  };
}

describe('loss specs', () => {
  it('have all their fields filled in', () => {
    expect(crossEntropy()).toEqual({ kind: 'crossEntropy', labelSmoothing: 0 });
    expect(meanSquaredError()).toEqual({ kind: 'meanSquaredError' });
  });

  it.each([-0.1, 1.1, Number.NaN])('crossEntropy refuses to smooth labels by %d', (share) => {
    expect(() => crossEntropy({ labelSmoothing: share })).toThrow(UsageError);
  });
});

describe.each(MODES)("PyTorch's numbers, %s build", (mode) => {
  const { losses } = loadGoldenLayers();
  it.each(losses.map((golden): [string, GoldenLoss] => [golden.name, golden]))(
    '%s',
    (_n, golden) => {
      const count = golden.input.shape[0]!;
      const targets = golden.targets?.data ?? Int32Array.from(golden.labels!);
      const spec = golden.spec as unknown as LossSpec;
      const found = runLoss(spec, golden.input.data, targets, { count, mode });
      const mean = found.losses.reduce((sum, loss) => sum + loss, 0) / count;
      expect(Math.abs(mean - golden.loss)).toBeLessThanOrEqual(1e-7 * Math.abs(golden.loss));
      expect(worstUlps(found.gradient, golden.inputGradient.data)).toBeLessThanOrEqual(1);
    },
  );
});

describe('a loss', () => {
  it('scales the gradient by the global batch, not by the shard', () => {
    const output = testValues(30);
    const labels = Int32Array.of(1, 2, 3);
    const alone = runLoss(crossEntropy(), output, labels, { count: 3, globalCount: 1 });
    const shared = runLoss(crossEntropy(), output, labels, { count: 3, globalCount: 64 });
    expect(shared.losses).toEqual(alone.losses);
    expect(shared.gradient).toEqual(alone.gradient.map((v) => v / 64));
  });

  it.each([
    ['crossEntropy', crossEntropy(), Int32Array.of(1, 2)],
    ['meanSquaredError', meanSquaredError(), testValues(10, 4, 5)],
  ] as const)('writes no gradient in evaluation: %s', (_name, spec, targets) => {
    const output = testValues(10);
    const trained = runLoss(spec, output, targets, { count: 2 });
    const evaluated = runLoss(spec, output, targets, { count: 2, training: false });
    expect(evaluated.losses).toEqual(trained.losses);
    expect(evaluated.gradient).toEqual(new Float32Array(10).fill(Number.NaN));
  });

  it('flags correct classes, and meanSquaredError does not touch the flags', () => {
    const output = Float32Array.of(1, 3, 2, 5, 4, 5);
    const found = runLoss(crossEntropy(), output, Int32Array.of(1, 2), { count: 2 });
    expect(Array.from(found.correct)).toEqual([1, 0]);
    const squared = runLoss(meanSquaredError(), output, output, { count: 2 });
    expect(Array.from(squared.correct)).toEqual([-1, -1]);
    expect(Array.from(squared.losses)).toEqual([0, 0]);
  });
});
