// The kernels of the long short-term memory against their twins, and those against finite
// differences.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  lstmCellGradRef,
  lstmCellRef,
  lstmOutputGradRef,
  lstmOutputRef,
} from '../../src/kernels/reference/lstm.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';
import { expectRounded } from './rounded.ts';

const SHAPES = [
  [1, 1],
  [3, 4],
  [2, 5],
  [4, 7],
  [3, 64],
] as const;

describe.each(BUILDS)('lstm kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(SHAPES)('equal their twins, %d rows of %d', (rows, size) => {
    const length = rows * size;
    const [gates, hidden] = [1, 2].map((seed) => testValues(4 * length, 3, seed));
    const [cell, dh, dcell, term] = [3, 4, 5, 6].map((seed) => testValues(length, 1, seed));
    const [gatesPtr, hiddenPtr] = [fixture.place(gates!), fixture.place(hidden!)];
    const [cellPtr, dhPtr] = [fixture.place(cell!), fixture.place(dh!)];
    const [dcellPtr, termPtr] = [fixture.place(dcell!), fixture.place(term!)];
    const [nextPtr, squashedPtr, hPtr, dxPtr] = [0, 1, 2, 3].map(() => fixture.reserve(length));
    const dGatesPtr = fixture.reserve(4 * length);
    const doubles = (): Float64Array<ArrayBuffer> => new Float64Array(length);
    const expectAt = (ptr: number, exact: Float64Array): void =>
      expectRounded(fixture.f32(ptr, exact.length + 1), exact);

    const exactGates = Float64Array.from(gates!);
    const next = doubles();
    lstmCellRef(next, exactGates, hidden!, cell!, size);
    kernels.lstmCellF32(gatesPtr, hiddenPtr, cellPtr, nextPtr!, rows, size);
    expectAt(gatesPtr, exactGates);
    expectAt(nextPtr!, next);

    // From here on, computed from rounded values.
    const rounded = fixture.f32(gatesPtr, gates!.length).slice();
    const state = { squashed: doubles(), h: doubles() };
    lstmOutputRef(state, fixture.f32(nextPtr!, length), rounded, size);
    kernels.lstmOutputF32(nextPtr!, gatesPtr, squashedPtr!, hPtr!, rows, size);
    expectAt(squashedPtr!, state.squashed);
    expectAt(hPtr!, state.h);
    kernels.lstmOutputF32(nextPtr!, gatesPtr, nextPtr!, hPtr!, rows, size);
    expectAt(nextPtr!, state.squashed);

    const squashed = fixture.f32(squashedPtr!, length).slice();
    const dGates = new Float64Array(4 * length);
    const dx = doubles();
    lstmOutputGradRef({ dx, dGates }, dh!, { gates: rounded, squashed }, size);
    const exact = { dcell: Float64Array.from(dcell!), dGates };
    lstmCellGradRef(exact, term!, { gates: rounded, cell: cell! }, size);
    kernels.lstmOutputGradF32(dhPtr, gatesPtr, squashedPtr!, dGatesPtr, dxPtr!, rows, size);
    kernels.lstmCellGradF32(dcellPtr, termPtr, gatesPtr, cellPtr, dGatesPtr, rows, size);
    expectAt(dxPtr!, dx);
    expectAt(dGatesPtr, dGates);
    expectAt(dcellPtr, exact.dcell);
  });
});

describe('the twins of the lstm kernels', () => {
  it('have gradients that match finite differences', () => {
    const size = 3;
    const input = Float64Array.from(testValues(4 * size, 2, 1));
    const hidden = Float64Array.from(testValues(4 * size, 2, 2));
    const cell = Float64Array.from(testValues(size, 1, 3));
    const [dy, dnext] = [testValues(size, 1, 4), testValues(size, 1, 5)];
    const run = () => {
      const gates = input.slice();
      const next = new Float64Array(size);
      lstmCellRef(next, gates, hidden, cell, size);
      const state = { squashed: new Float64Array(size), h: new Float64Array(size) };
      lstmOutputRef(state, next, gates, size);
      return { gates, next, ...state };
    };
    const loss = (): number => {
      const { h, next } = run();
      return h.reduce((sum, value, k) => sum + value * dy[k]! + next[k]! * dnext[k]!, 0);
    };
    const found = run();
    const dGates = new Float64Array(4 * size);
    const dx = new Float64Array(size);
    lstmOutputGradRef({ dx, dGates }, dy, found, size);
    const dcell = Float64Array.from(dnext);
    lstmCellGradRef({ dcell, dGates }, dx, { gates: found.gates, cell }, size);
    const pairs = [
      [input, dGates],
      [hidden, dGates],
      [cell, dcell],
    ] as const;
    for (const [values, gradient] of pairs) {
      for (const [k, value] of values.entries()) {
        values[k] = value + 1e-6;
        const ahead = loss();
        values[k] = value - 1e-6;
        const slope = (ahead - loss()) / 2e-6;
        values[k] = value;
        expect(gradient[k]).toBeCloseTo(slope, 8);
      }
    }
  });
});
