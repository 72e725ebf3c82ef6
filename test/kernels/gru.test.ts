// The kernels of the gated recurrent unit against their twins, and against finite differences.

import { beforeEach, describe, expect, it } from 'vitest';
import { gruCellGradRef, gruCellRef } from '../../src/kernels/reference/gru.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';
import { expectRounded } from './rounded.ts';

const SHAPES = [
  [1, 1],
  [3, 4],
  [2, 5],
  [4, 7],
  [3, 64],
] as const;
describe.each(BUILDS)('gru kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(SHAPES)('equal their twins, %d rows of %d', (rows, size) => {
    const [gates, hidden] = [1, 2].map((seed) => testValues(3 * rows * size, 3, seed));
    const [h, dh] = [3, 4].map((seed) => testValues(rows * size, 1, seed));
    const [gatesPtr, hiddenPtr] = [fixture.place(gates!), fixture.place(hidden!)];
    const [hPtr, dhPtr] = [fixture.place(h!), fixture.place(dh!)];
    const nextPtr = fixture.reserve(rows * size);
    const exactGates = Float64Array.from(gates!);
    const next = new Float64Array(rows * size);
    gruCellRef(next, exactGates, hidden!, h!, size);
    kernels.gruCellF32(gatesPtr, hiddenPtr, hPtr, nextPtr, rows, size);
    expectRounded(fixture.f32(gatesPtr, exactGates.length + 1), exactGates);
    expectRounded(fixture.f32(nextPtr, next.length + 1), next);

    const [dInputPtr, dHiddenPtr] = [0, 1].map(() => fixture.reserve(gates!.length));
    // From the same rounded gates.
    const rounded = fixture.f32(gatesPtr, gates!.length).slice();
    const exact = {
      size,
      dh: Float64Array.from(dh!),
      dInput: new Float64Array(gates!.length),
      dHidden: new Float64Array(gates!.length),
    };
    gruCellGradRef(exact, rounded, hidden!, h!);
    kernels.gruCellGradF32(dhPtr, gatesPtr, hiddenPtr, hPtr, dInputPtr!, dHiddenPtr!, rows, size);
    expectRounded(fixture.f32(dInputPtr!, gates!.length + 1), exact.dInput);
    expectRounded(fixture.f32(dHiddenPtr!, gates!.length + 1), exact.dHidden);
    expectRounded(fixture.f32(dhPtr, dh!.length + 1), exact.dh);
  });
});

describe('the twins of the gru kernels', () => {
  it('have gradients that match finite differences', () => {
    const size = 3;
    const [input, hidden] = [1, 2].map((seed) => Float64Array.from(testValues(9, 2, seed)));
    const h = Float64Array.from(testValues(size, 1, 3));
    const dy = testValues(size, 1, 4);
    const loss = (): number => {
      const next = new Float64Array(size);
      gruCellRef(next, input!.slice(), hidden!, h, size);
      return next.reduce((sum, value, i) => sum + value * dy[i]!, 0);
    };
    const gates = input!.slice();
    gruCellRef(new Float64Array(size), gates, hidden!, h, size);
    const [dInput, dHidden] = [new Float64Array(9), new Float64Array(9)];
    const dh = Float64Array.from(dy);
    gruCellGradRef({ size, dh, dInput, dHidden }, gates, hidden!, h);
    const pairs = [
      [input!, dInput],
      [hidden!, dHidden],
      [h, dh],
    ] as const;
    for (const [values, gradient] of pairs) {
      for (const [i, value] of values.entries()) {
        values[i] = value + 1e-6;
        const ahead = loss();
        values[i] = value - 1e-6;
        const slope = (ahead - loss()) / 2e-6;
        values[i] = value;
        expect(gradient[i]).toBeCloseTo(slope, 8);
      }
    }
  });
});
