// Pool layers: specs, shapes, PyTorch's numbers, and the memory they touch. Math: test/kernels.

import { describe, expect, it } from 'vitest';
import { adaptiveAvgPoolKind, adaptiveMaxPoolKind } from '../../src/nn/conv/adaptivePoolKinds.ts';
import {
  avgPoolKind,
  globalAvgPoolKind,
  globalMaxPoolKind,
  maxPoolKind,
} from '../../src/nn/conv/poolKinds.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from '../../src/nn/specs/adaptivePools.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../src/nn/specs/pools.ts';
import { describeGolden } from '../support/layers/golden.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

describeGolden([
  ...[maxPoolKind, avgPoolKind, globalAvgPoolKind, globalMaxPoolKind],
  ...[adaptiveAvgPoolKind, adaptiveMaxPoolKind],
]);

describe('pool specs', () => {
  it('have all their fields filled in; the stride is the kernel by default', () => {
    expect([
      maxPool({ kernel: 2 }),
      maxPool({ kernel: [3, 2], stride: 2, padding: [1, 0] }),
      avgPool({ kernel: 3 }),
      globalAvgPool(),
    ]).toEqual([
      { kind: 'maxPool', kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
      { kind: 'maxPool', kernel: [3, 2], stride: [2, 2], padding: [1, 0] },
      {
        kind: 'avgPool',
        kernel: [3, 3],
        stride: [3, 3],
        padding: [0, 0],
        countIncludePad: true,
      },
      { kind: 'globalAvgPool' },
    ]);
  });

  it('accept padding per side below the kernel size', () => {
    const sides = { top: 2, bottom: 0, left: 0, right: 1 };
    expect(maxPool({ kernel: 3, padding: { top: 2, right: 1 } }).padding).toEqual(sides);
    expect(() => maxPool({ kernel: 3, padding: { top: 3 } })).toThrow(
      /expected less than the kernel 3x3.*, got \{"top":3,"bottom":0,"left":0,"right":0\}/,
    );
    const same = avgPool({ kernel: 3, stride: 2, padding: 'same' });
    expect(avgPoolKind.outputShape(same, [5, 8, 2], '')).toEqual([3, 4, 2]);
  });

  it('to a given size accept a number for both axes, and only images', () => {
    expect(adaptiveAvgPool(7)).toEqual({ kind: 'adaptiveAvgPool', size: [7, 7] });
    expect(() => adaptiveMaxPool([7, 0])).toThrow('adaptiveMaxPool size');
    const unknown = [Number.NaN, Number.NaN, 8];
    const { outputShape } = adaptiveMaxPoolKind;
    expect(outputShape(adaptiveMaxPool([2, 3]), unknown, '')).toEqual([2, 3, 8]);
    expect(() => outputShape(adaptiveMaxPool(2), [9, 4], '1.x')).toThrow(
      /input of 1\.x: expected .*, got "9x4"/,
    );
  });

  it('refuse kernels below 1, strides below 1 and padding above half the kernel', () => {
    expect(() => maxPool({ kernel: 0 })).toThrow(/maxPool kernel/);
    expect(() => avgPool({ kernel: 2, stride: [1, 0] })).toThrow(/avgPool stride/);
    expect(() => avgPool({ kernel: 3, padding: 2 })).toThrow(/at most half the kernel 3x3/);
    expect(() => maxPool({ kernel: [4, 1], padding: [2, 1] })).toThrow(/padding/);
  });
});

describe('pool layers', () => {
  it.each([
    [[28, 28, 3], 2, 2, 0, [14, 14, 3]],
    [[7, 8, 1], 3, 2, 1, [4, 4, 1]],
    [[5, 5, 4], 2, 3, 0, [2, 2, 4]],
    [[3, 3, 4], 3, 1, 0, [1, 1, 4]],
  ])('round sizes down: %j, kernel %d, stride %d, padding %d gives %j', (...row) => {
    const [input, kernel, stride, padding, expected] = row;
    const spec = maxPool({ kernel, stride, padding });
    expect(maxPoolKind.outputShape(spec, input, '0.maxPool')).toEqual(expected);
  });

  it('leave unknown sizes unknown', () => {
    const unknown = [Number.NaN, Number.NaN, 8];
    expect(maxPoolKind.outputShape(maxPool({ kernel: 2 }), unknown, '0')).toEqual(unknown);
    expect(globalAvgPoolKind.outputShape(globalAvgPool(), unknown, '0')).toEqual([8]);
  });

  it('name the layer, the input and the window when it does not fit', () => {
    const spec = maxPool({ kernel: 5 });
    expect(() => maxPoolKind.outputShape(spec, [4, 9, 3], '3.maxPool')).toThrow(
      /input of 3\.maxPool: expected at least 5x5, its kernel less the padding.*, got "4x9x3"/,
    );
    expect(() => globalAvgPoolKind.outputShape(globalAvgPool(), [10], '7.globalAvgPool')).toThrow(
      /7\.globalAvgPool: expected an image.*, got "10"/,
    );
  });

  it('compute only the samples of the step, and nothing for an empty shard', () => {
    for (const [kind, spec] of [
      [maxPoolKind, maxPool({ kernel: 2 })],
      [avgPoolKind, avgPool({ kernel: 2 })],
      [globalAvgPoolKind, globalAvgPool()],
      [globalMaxPoolKind, globalMaxPool()],
      [adaptiveAvgPoolKind, adaptiveAvgPool([3, 1])],
      [adaptiveMaxPoolKind, adaptiveMaxPool([3, 1])],
    ] as const) {
      const run = bindAlone(kind as typeof maxPoolKind, spec as ReturnType<typeof maxPool>, {
        inputShape: [4, 4, 3],
        capacity: 3,
      });
      run.x.fill(2);
      run.dy.fill(1);
      const perSample = run.y.length / 3;
      for (const count of [0, 2]) {
        run.step.countSamples = count;
        run.layer.forward();
        run.layer.backward();
        expect(run.y.indexOf(2)).toBe(count === 0 ? -1 : 0);
        expect(run.y.slice(0, count * perSample)).toEqual(
          new Float32Array(count * perSample).fill(2),
        );
        expect(run.y[count * perSample]).toBeNaN();
        expect(run.dx[count * 48]).toBeNaN();
      }
    }
  });
});
