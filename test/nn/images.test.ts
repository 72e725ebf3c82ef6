// Layers that move pixels: specs, shapes, PyTorch's numbers. Math: test/kernels.

import { describe, expect, it } from 'vitest';
import { padKind, sliceKind } from '../../src/nn/images/borderKinds.ts';
import { upsampleKind } from '../../src/nn/images/upsampleKind.ts';
import { pad } from '../../src/nn/specs/pad.ts';
import { slice } from '../../src/nn/specs/slice.ts';
import { upsample } from '../../src/nn/specs/upsample.ts';
import { testValues } from '../support/kernelFixture.ts';
import { describeGolden } from '../support/layers/golden.ts';
import { runLayer } from '../support/layers/harness.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

describeGolden([upsampleKind, padKind, sliceKind]);

describe('upsample', () => {
  it('has all its fields filled in, and the size or the scale', () => {
    expect(upsample({ scale: 2 })).toEqual({
      kind: 'upsample',
      mode: 'nearest',
      scale: [2, 2],
      alignCorners: false,
    });
    const sized = upsample({ size: [7, 9], mode: 'bilinear', alignCorners: true });
    const way = { mode: 'bilinear', alignCorners: true } as const;
    expect(sized).toEqual({ kind: 'upsample', size: [7, 9], ...way });
    expect(upsampleKind.outputShape(sized, [3, Number.NaN, 5], '')).toEqual([7, 9, 5]);
    expect(upsampleKind.outputShape(upsample({ scale: [2, 3] }), [4, 5, 6], '')).toEqual([
      8, 15, 6,
    ]);
  });

  it('refuses both and neither, fractions of a pixel, and inputs that are not images', () => {
    expect(() => upsample({})).toThrow('upsample needs scale or size');
    expect(() => upsample({ scale: 2, size: 4 })).toThrow('scale or size, and not both');
    expect(() => upsample({ scale: 1.5 })).toThrow('upsample scale');
    expect(() => upsample({ scale: 2, alignCorners: true })).toThrow("with mode 'nearest'");
    expect(() => upsampleKind.outputShape(upsample({ scale: 2 }), [10], '1.upsample')).toThrow(
      /input of 1\.upsample: expected an image.*, got "10"/,
    );
  });
});

describe('pad and slice', () => {
  it('treat missing sides as 0, and keep missing axes whole', () => {
    expect(pad({ left: 2 })).toEqual({ kind: 'pad', top: 0, bottom: 0, left: 2, right: 0 });
    expect(pad(1)).toEqual({ kind: 'pad', top: 1, bottom: 1, left: 1, right: 1 });
    const spec = slice({ columns: [1, 3] });
    expect(spec).toEqual({ kind: 'slice', columns: [1, 3] });
    expect(sliceKind.outputShape(spec, [4, 5, 6], '')).toEqual([4, 2, 6]);
    expect(sliceKind.outputShape(slice({ rows: [1, 2] }), [4, 6], '')).toEqual([1, 6]);
  });

  it('undo each other, gradients included', () => {
    const frame = bindAlone(padKind, pad({ top: 2, right: 1 }), {
      inputShape: [3, 4, 5],
      capacity: 2,
    });
    frame.x.set(testValues(frame.x.length));
    frame.layer.forward();
    const inside = slice({ rows: [2, 5], columns: [0, 4] });
    const part = bindAlone(sliceKind, inside, { inputShape: [5, 5, 5], capacity: 2 });
    part.x.set(frame.y);
    part.layer.forward();
    expect(part.y).toEqual(frame.x);
    part.dy.set(testValues(part.dy.length, 1, 2));
    part.layer.backward();
    frame.dy.set(part.dx);
    frame.layer.backward();
    expect(frame.dx).toEqual(part.dy);
    const total = part.dx.reduce((sum, v) => sum + Math.abs(v), 0);
    expect(total).toBeCloseTo(
      part.dy.reduce((sum, v) => sum + Math.abs(v), 0),
      3,
    );
  });

  it('refuse invalid sides and ranges', () => {
    expect(() => pad(-1)).toThrow(/pad: expected .*, got -1/);
    expect(() => pad({ top: 0.5 })).toThrow(/pad top: expected .*, got 0\.5/);
    expect(() => pad({ upper: 1 } as never)).toThrow('unknown option upper');
    expect(() => slice({})).toThrow('would take the whole sample');
    expect(() => slice({ rows: [3, 3] })).toThrow(
      /slice rows: expected \[first, end\].*, got \[3, 3\]/,
    );
  });

  it('name the layer and the axis that is missing or too short', () => {
    const rows = slice({ rows: [0, 4] });
    expect(() => sliceKind.outputShape(rows, [3, 9, 2], '2.slice')).toThrow(
      /input of 2\.slice: expected at least 4 rows.*, got "3x9x2"/,
    );
    expect(() => sliceKind.outputShape(rows, [12], '2.slice')).toThrow('a sample with rows');
    expect(() => sliceKind.outputShape(slice({ columns: [0, 1] }), [4, 3], '')).toThrow('columns');
    expect(() => padKind.outputShape(pad(1), [12], '0.pad')).toThrow(
      /0\.pad: expected .*, got "12"/,
    );
  });

  it('do not touch memory beyond the samples of a step', () => {
    const run = bindAlone(padKind, pad(1), { inputShape: [2, 2, 1], capacity: 3 });
    run.x.fill(2);
    run.step.countSamples = 2;
    run.layer.forward();
    expect(run.y[31]).toBe(0);
    expect(run.y[32]).toBeNaN();
  });

  it('run in a model', () => {
    const x = testValues(24);
    const found = runLayer({
      spec: slice({ channels: [1, 2] }),
      inputShape: [2, 3, 2],
      shards: [2],
      x,
    });
    expect(found.outputShape).toEqual([2, 3, 1]);
    expect(found.y).toEqual(x.filter((_, i) => i % 2 === 1));
  });
});
