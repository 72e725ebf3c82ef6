// From a sample to the first activation.

import { beforeAll, describe, expect, it } from 'vitest';
import { Purpose, RandomStream } from '../../src/base/random.ts';
import { sizeOf } from '../../src/base/shape.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { planAugmentation } from '../../src/data/loading/augment.ts';
import { DRAWN_LENGTH, drawAugmentation } from '../../src/data/loading/drawAugmentation.ts';
import {
  createInputLoader,
  type InputLoader,
  locateInArena,
  normalizationOf,
  normalizationTable,
  normalizationVectors,
  sampleBytesOf,
} from '../../src/data/loading/inputs.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { loadImageF32Ref, loadImageU8Ref } from '../../src/kernels/reference/images.ts';
import { smallDataset } from '../support/dataFiles.ts';
import { createFixture, type KernelFixture } from '../support/kernelFixture.ts';

const INPUTS_PTR = 2048;
const NORMALIZATION_PTR = 65536;
const DST_PTR = 131072;
const SEED = 11;
const PAGES = 16;

describe('normalizationTable', () => {
  it('holds each byte normalized in float64 and rounded once', () => {
    const mean = [0.4914, 0.1307];
    const std = [0.247, 0.3081];
    const table = normalizationTable(mean, std);
    expect(table).toHaveLength(512);
    for (let value = 0; value < 256; value++) {
      for (let c = 0; c < 2; c++) {
        expect(table[value * 2 + c]).toBe(Math.fround((value / 255 - mean[c]!) / std[c]!));
      }
    }
  });

  it('returns the byte for mean 0 and std 1/255, and 0 for byte 255 and mean 1', () => {
    expect([...normalizationTable([0], [1 / 255])]).toEqual(
      Array.from({ length: 256 }, (_, i) => i),
    );
    expect(normalizationTable([1], [0.25])[255]).toBe(0);
    expect(normalizationTable([1], [0.25])[0]).toBe(-4);
  });

  it('refuses a mean and a std of different lengths as a bug', () => {
    expect(() => normalizationTable([0, 0], [1])).toThrow(/channels of std/);
    expect(() => normalizationVectors([0], [1, 1])).toThrow(/channels of std/);
  });
});

describe('normalizationOf', () => {
  it('is the table for bytes, and means with inverse deviations for floats', () => {
    const bytes = smallDataset();
    expect(normalizationOf(bytes)).toEqual(normalizationTable(bytes.mean, bytes.std));
    const floats = smallDataset({ inputType: 'f32', mean: [3, 0.1], std: [4, 0.5] });
    expect(normalizationOf(floats)).toEqual(Float32Array.of(3, 0.1, 0.25, 2));
  });
});

describe('createInputLoader', () => {
  let module: KernelFixture;
  beforeAll(() => {
    module = createFixture('strict', PAGES);
  });

  function place(data: Dataset, options: Parameters<typeof planAugmentation>[0]): InputLoader {
    const { memory, kernels } = module;
    const { inputs } = data.train;
    const bytes = new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength);
    new Uint8Array(memory.buffer).set(bytes, INPUTS_PTR);
    new Float32Array(memory.buffer, NORMALIZATION_PTR).set(normalizationOf(data));
    return createInputLoader({
      kernels,
      inputShape: data.inputShape,
      inputType: data.inputType,
      locate: locateInArena(INPUTS_PTR, sampleBytesOf(data)),
      normalizationPtr: NORMALIZATION_PTR,
      augmentation: planAugmentation(options, data.inputShape),
      seed: SEED,
    });
  }

  function loaded(data: Dataset, run: (dstPtr: number) => void): Float32Array {
    const dst = new Float32Array(module.memory.buffer, DST_PTR, sizeOf(data.inputShape));
    dst.fill(777);
    run(DST_PTR);
    return Float32Array.from(dst);
  }

  const byteImages = (shape: number[], channels: number): Dataset =>
    smallDataset({
      inputShape: shape,
      mean: Array.from({ length: channels }, (_, c) => 0.1 * (c + 1)),
      std: Array.from({ length: channels }, (_, c) => 0.2 + 0.1 * c),
      train: {
        count: 4,
        inputs: Uint8Array.from({ length: 4 * sizeOf(shape) }, (_, i) => (i * 37) % 256),
        targets: new Int32Array(4),
      },
    });

  it.each([[[6]], [[3, 2]], [[4, 5, 3]], [[2, 2, 2, 2]]])(
    'normalizes any sample of shape %j by its last axis',
    (shape) => {
      const channels = shape[shape.length - 1]!;
      const data = byteImages(shape, channels);
      const loader = place(data, {});
      for (const sample of [3, 0, 2, 1]) {
        const out = loaded(data, (dstPtr) => loader.load(sample, dstPtr));
        const size = sizeOf(shape);
        const expected = Float32Array.from({ length: size }, (_, i) => {
          const value = data.train.inputs[sample * size + i]!;
          return (value / 255 - data.mean[i % channels]!) / data.std[i % channels]!;
        });
        expect(out).toEqual(expected);
        expect(loaded(data, (dstPtr) => loader.loadAugmented(sample, dstPtr, 0, 0))).toEqual(
          expected,
        );
      }
    },
  );

  it('normalizes floats to mean 0 and std 1', () => {
    const data = synthetic({
      train: 40,
      test: 0,
      shape: [4, 4, 3],
      classes: 2,
      mean: [5, -2, 100],
      std: [3, 0.1, 9],
    });
    const loader = place(data, {});
    const all: number[] = [];
    for (let i = 0; i < 40; i++) all.push(...loaded(data, (dstPtr) => loader.load(i, dstPtr)));
    for (let c = 0; c < 3; c++) {
      const values = all.filter((_, i) => i % 3 === c);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      // 640 values: five standard errors are 0.2.
      expect(Math.abs(mean)).toBeLessThan(0.2);
      expect(Math.abs(Math.sqrt(variance) - 1)).toBeLessThan(0.2);
    }
  });

  it('moves each sample by (seed, step, position), in any order', () => {
    const bytes = byteImages([4, 5, 3], 3);
    const floats = synthetic({ train: 4, test: 0, shape: [4, 5, 3], classes: 2, mean: 2 });
    const options = { shift: 2, flip: true };
    const plan = planAugmentation(options, [4, 5, 3])!;
    const drawn = new Int32Array(DRAWN_LENGTH);
    const seen = new Set<string>();
    for (const data of [bytes, floats]) {
      const loader = place(data, options);
      const factors = normalizationOf(data);
      for (const [step, position] of [
        [3, 9],
        [0, 0],
        [3, 8],
        [1, 9],
        [0, 0],
      ] as const) {
        drawAugmentation(
          new RandomStream().reset(SEED, Purpose.augment, step, position),
          plan,
          drawn,
        );
        const [dy = 0, dx = 0, flip = 0] = drawn;
        seen.add([...drawn].join());
        const move = { height: 4, width: 5, channels: 3, dy, dx, flip };
        for (const sample of [2, 1]) {
          const source = data.train.inputs.subarray(sample * 60, (sample + 1) * 60);
          const expected =
            source instanceof Uint8Array
              ? loadImageU8Ref(source, factors, move)
              : loadImageF32Ref(source, factors.subarray(0, 3), factors.subarray(3), move);
          const out = loaded(data, (dstPtr) =>
            loader.loadAugmented(sample, dstPtr, step, position),
          );
          expect(out).toEqual(expected);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(2);
  });

  it('never moves a sample that is loaded plainly', () => {
    const data = byteImages([4, 5, 3], 3);
    const moving = place(data, { shift: 3, flip: true });
    const plain = loaded(data, (dstPtr) => moving.load(1, dstPtr));
    expect(plain).toEqual(loaded(data, (dstPtr) => place(data, {}).load(1, dstPtr)));
  });

  it('does not change the dataset', () => {
    const data = byteImages([4, 5, 3], 3);
    const loader = place(data, { shift: 3, flip: true });
    for (let i = 0; i < 4; i++) loader.loadAugmented(i, DST_PTR, 0, i);
    const kept = new Uint8Array(module.memory.buffer, INPUTS_PTR, data.train.inputs.length);
    expect(Uint8Array.from(kept)).toEqual(data.train.inputs);
  });
});
