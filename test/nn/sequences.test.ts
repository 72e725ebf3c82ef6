// Convolutions and pools of sequences [L, C].

import { describe, expect, it } from 'vitest';
import { avgPool1dKind, conv1dKind, maxPool1dKind } from '../../src/nn/conv/sequenceKinds.ts';
import { type Conv1dOptions, conv1d } from '../../src/nn/specs/conv1d.ts';
import { avgPool1d, maxPool1d } from '../../src/nn/specs/pools1d.ts';
import { testValues } from '../support/kernelFixture.ts';
import { describeGolden } from '../support/layers/golden.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
} from '../support/layers/proofs.ts';

function item(channels: readonly [number, number], options: Conv1dOptions): ProofCase {
  const name = `${channels.join(' to ')}, ${JSON.stringify(options)}`;
  return { name, spec: conv1d(...channels, options), inputShape: [9, channels[0]] };
}

const CASES: readonly ProofCase[] = [
  item([3, 5], { kernel: 3, padding: 1 }),
  item([3, 4], { kernel: 4, stride: 2, padding: 'same', bias: false }),
  item([4, 6], { kernel: 3, dilation: 2, padding: { left: 4 }, groups: 2 }),
  item([5, 5], { kernel: 3, padding: 1, groups: 5 }),
  item([3, 4], { kernel: 3, stride: 3, weightStandardization: true }),
];

describe('conv1d', () => {
  describeReference(CASES, FLOAT32_SUMS);
  describeGoldenLayer('conv1d', FLOAT32_SUMS);
  describeDifferences(CASES);

  it('has the axes of PyTorch weights in reverse order', () => {
    const spec = conv1d(6, 8, { kernel: 5, groups: 2 });
    const [weight] = conv1dKind.parameters!(spec, [9, 6]);
    expect(weight!.shape).toEqual([5, 3, 8]);
    expect(weight!.init).toMatchObject({ kind: 'torch', fanIn: 15 });
    expect(conv1dKind.multiplyAdds!(spec, [9, 6], [5, 8])).toBe(15 * 40);
  });

  it('depends on no later position if all padding is on the left', () => {
    const spec = conv1d(1, 1, { kernel: 3, padding: { left: 2 }, bias: false });
    const x = new Float32Array(6).fill(0);
    x[3] = 1;
    const parameters = { 'conv1d.weight': Float32Array.of(1, 2, 3) };
    const { y } = runLayer({ spec, inputShape: [6, 1], shards: [1], x, parameters });
    expect(Array.from(y)).toEqual([0, 0, 0, 3, 2, 1]);
  });

  it('refuses options of images, and names mismatches', () => {
    expect(() => conv1d(2, 2, { kernel: [1, 3] as never })).toThrow('conv1d kernel');
    expect(() => conv1d(2, 3, { kernel: 3, groups: 2 })).toThrow(
      'conv1d groups with outChannels 3',
    );
    expect(() => conv1d(2, 2, { kernel: 3, padding: { top: 1 } as never })).toThrow(
      "{ left, right } or 'same'",
    );
    const spec = conv1d(3, 4, { kernel: 5, dilation: 2 });
    expect(() => conv1dKind.outputShape(spec, [9, 9, 3], '1.conv1d')).toThrow(
      /input of 1\.conv1d: expected a sequence, \?x3.*, got "9x9x3"/,
    );
    expect(() => conv1dKind.outputShape(spec, [8, 3], '1.conv1d')).toThrow(
      'expected at least the reach of its kernel, 9 positions',
    );
    expect(conv1dKind.outputShape(spec, [Number.NaN, 3], '')).toEqual([Number.NaN, 4]);
  });
});

describeGolden([maxPool1dKind, avgPool1dKind]);

describe('pools of sequences', () => {
  it('round sizes down, and refuse windows that miss the sequence', () => {
    expect(maxPool1d({ kernel: 3 })).toEqual({
      ...{ kind: 'maxPool1d', kernel: 3, stride: 3, padding: 0 },
    });
    expect(maxPool1dKind.outputShape(maxPool1d({ kernel: 3 }), [8, 2], '')).toEqual([2, 2]);
    const same = avgPool1d({ kernel: 3, stride: 2, padding: 'same' });
    expect(avgPool1dKind.outputShape(same, [9, 4], '')).toEqual([5, 4]);
    expect(() => avgPool1d({ kernel: 3, padding: 2 })).toThrow('at most half the kernel 3');
    expect(() => maxPool1d({ kernel: 3, padding: { left: 3 } })).toThrow('maxPool1d padding');
    expect(() => maxPool1dKind.outputShape(maxPool1d({ kernel: 3 }), [4], '0.x')).toThrow('0.x');
  });

  it('run in a model', () => {
    const x = testValues(8);
    const { y } = runLayer({ spec: maxPool1d({ kernel: 2 }), inputShape: [4, 2], shards: [1], x });
    expect(y).toEqual(
      Float32Array.of(
        ...[Math.max(x[0]!, x[2]!), Math.max(x[1]!, x[3]!)],
        ...[Math.max(x[4]!, x[6]!), Math.max(x[5]!, x[7]!)],
      ),
    );
  });
});
