// Dropout of whole channels and samples: the plain random stream shows what is dropped, PyTorch's
// numbers show the outputs.

import { beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { Purpose, RandomStream } from '../../src/base/random.ts';
import { dropColumnsRef, dropRowsRef } from '../../src/kernels/reference/drop.ts';
import { dropout2dKind, dropPathKind } from '../../src/nn/layers/dropWholeKinds.ts';
import { dropout2d, dropPath } from '../../src/nn/specs/dropout.ts';
import { type GoldenCase, loadGoldenLayers } from '../support/golden/load.ts';
import { BUILDS, createFixture, MODES, testValues } from '../support/kernelFixture.ts';
import { worstUlps } from '../support/layers/golden.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

const SEED = 3 * 2 ** 32 + 2 ** 31 + 5;
const [SHAPE, SIZE, CHANNELS] = [[3, 2, 5], 30, 5];
const OPTIONS = { inputShape: SHAPE, capacity: 6, seed: SEED, index: 2 };
const P = 0.4;
const SCALE = Math.fround(1 / (1 - P));

/** How many parts a sample has, and which one an element belongs to. */
const LAYERS = [
  { kind: dropout2dKind, spec: dropout2d(P), partOf: (e: number) => e % CHANNELS },
  { kind: dropPathKind, spec: dropPath(P), partOf: () => 0 },
] as const;

describe.each(LAYERS)('$kind.kind', ({ kind, spec, partOf }) => {
  const bind = (options = {}) =>
    bindAlone(kind as typeof dropPathKind, spec as never, { ...OPTIONS, ...options });

  it.each(MODES)(
    'drops the parts that its random words select, forward and backward, %s build',
    (mode) => {
      const run = bind({ mode });
      run.step.step = 17;
      run.step.firstSample = 9;
      run.x.set(testValues(run.x.length));
      run.dy.set(testValues(run.dy.length, 1, 5));
      run.layer.forward();
      run.layer.backward();
      const random = new RandomStream();
      const seen = new Set<boolean>();
      for (let s = 0; s < OPTIONS.capacity; s++) {
        random.reset(SEED, Purpose.dropout + 256 * OPTIONS.index, 17, 9 + s);
        const kept = Array.from({ length: CHANNELS }, () => random.nextUint32() >= P * 2 ** 32);
        for (let e = 0; e < SIZE; e++) {
          const isKept = kept[partOf(e)]!;
          const scaled = (v: number) => (isKept ? Math.fround(v * SCALE) : 0);
          seen.add(isKept);
          expect(run.y[s * SIZE + e]).toBe(scaled(run.x[s * SIZE + e]!));
          expect(run.dx[s * SIZE + e]).toBe(scaled(run.dy[s * SIZE + e]!));
        }
      }
      expect(seen.size).toBe(2);
    },
  );

  it('is the identity in evaluation', () => {
    const run = bind();
    run.x.set(testValues(run.x.length));
    run.step.training = false;
    run.step.countSamples = 3;
    run.layer.forward();
    expect(run.y.slice(0, 3 * SIZE)).toEqual(run.x.slice(0, 3 * SIZE));
    expect(run.y[3 * SIZE]).toBeNaN();
  });

  it('splits between workers without changing a bit', () => {
    const whole = bind();
    const x = testValues(whole.x.length);
    whole.x.set(x);
    whole.layer.forward();
    const part = bind({ capacity: 4 });
    part.x.set(x.subarray(2 * SIZE));
    part.step.firstSample = 2;
    part.layer.forward();
    expect(part.y).toEqual(whole.y.slice(2 * SIZE));
  });
});

describe('the specs', () => {
  it('take p from 0 to below 1; only dropout2d has a default', () => {
    expect([dropout2d(), dropout2d(0), dropPath(0.1)].map(({ p }) => p)).toEqual([0.5, 0, 0.1]);
    for (const p of [-0.1, 1, Number.NaN, undefined as unknown as number]) {
      expect(() => dropPath(p)).toThrow(UsageError);
    }
    expect(() => dropout2d(1)).toThrow(/dropout2d p: expected .*, got 1/);
  });

  it('dropout2d accepts only images', () => {
    expect(() => dropout2dKind.outputShape(dropout2d(), [7], '3.dropout2d')).toThrow(
      /input of 3\.dropout2d: expected an image, height x width x channels.*, got "7"/,
    );
  });
});

describe.each(BUILDS)('drop kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  type Kernel = 'dropColumnsF32' | 'dropRowsF32';

  function drop(kernel: Kernel, x: Float32Array, columns: number, scales: Float32Array) {
    const [xPtr, yPtr] = [fixture.place(x), fixture.reserve(x.length)];
    kernels[kernel](xPtr, yPtr, x.length / columns, columns, fixture.place(scales));
    expect(fixture.f32(yPtr, x.length + 1)[x.length]).toBeNaN();
    return fixture.f32(yPtr, x.length);
  }

  it.each([1, 3, 4, 7, 8, 9, 21])('equal their twins for 3 rows of %d, with NaN', (columns) => {
    const x = testValues(3 * columns);
    x[columns] = Number.NaN;
    const scales = (length: number, phase: number) =>
      Float32Array.from({ length }, (_, i) => ((i + phase) % 3 === 0 ? 0 : 1.25));
    for (const phase of [0, 1, 2]) {
      const [byColumn, byRow] = [scales(columns, phase), scales(3, phase)];
      expect(drop('dropColumnsF32', x, columns, byColumn)).toEqual(
        dropColumnsRef(x, columns, byColumn),
      );
      expect(drop('dropRowsF32', x, columns, byRow)).toEqual(dropRowsRef(x, columns, byRow));
    }
  });

  const { cases } = loadGoldenLayers();
  const goldenOf = (kind: string): GoldenCase => cases.find(({ spec }) => spec.kind === kind)!;

  /** The scales by which PyTorch has multiplied, told by the parts that are 0. */
  function scalesOf({ spec, output }: GoldenCase, parts: number, partOf: (i: number) => number) {
    const scales = new Float32Array(parts);
    for (const [i, v] of output.data.entries()) {
      if (v !== 0) scales[partOf(i)] = 1 / (1 - (spec.p as number));
    }
    const dropped = scales.filter((scale) => scale === 0).length;
    expect(dropped).toBeGreaterThan(0);
    expect(dropped).toBeLessThan(parts);
    return scales;
  }

  it("give PyTorch's numbers for dropout2d with the same dropped channels", () => {
    const golden = goldenOf('dropout2d');
    const [samples, height, width, channels] = golden.input.shape as [
      number,
      number,
      number,
      number,
    ];
    const size = height * width * channels;
    const partOf = (i: number) => Math.floor(i / size) * channels + (i % channels);
    const scales = scalesOf(golden, samples * channels, partOf);
    const pairs = [
      [golden.input, golden.output],
      [golden.outputGradient, golden.inputGradient],
    ] as const;
    for (const [from, to] of pairs) {
      for (let s = 0; s < samples; s++) {
        const part = from.data.slice(s * size, (s + 1) * size);
        const own = scales.slice(s * channels, (s + 1) * channels);
        const exact = to.data.slice(s * size, (s + 1) * size);
        expect(worstUlps(drop('dropColumnsF32', part, channels, own), exact)).toBeLessThan(2);
      }
    }
  });

  it("give torchvision's numbers for dropPath with the same dropped samples", () => {
    const golden = goldenOf('dropPath');
    const samples = golden.input.shape[0]!;
    const size = golden.input.data.length / samples;
    const scales = scalesOf(golden, samples, (i) => Math.floor(i / size));
    const y = drop('dropRowsF32', golden.input.data, size, scales);
    expect(worstUlps(y, golden.output.data)).toBeLessThan(2);
    const dx = drop('dropRowsF32', golden.outputGradient.data, size, scales);
    expect(worstUlps(dx, golden.inputGradient.data)).toBeLessThan(2);
  });
});
