import { describe, expect, it } from 'vitest';
import {
  axisPhases,
  type ConvAxis,
  convOutputSize,
  gradientBorder,
  outputsOfTap,
  type Reach,
  reachOfInputs,
  reachOfOutputs,
} from '../../src/nn/conv/convGeometry.ts';

/** Zeros before and after. */
const PADDINGS = [
  [0, 0],
  [1, 1],
  [4, 4],
  [0, 1],
  [3, 0],
] as const;

function axes(): ConvAxis[] {
  const found: ConvAxis[] = [];
  for (const input of [1, 2, 5, 8]) {
    for (const kernel of [1, 2, 3, 5]) {
      for (const stride of [1, 2, 3]) {
        for (const [before, after] of PADDINGS) {
          for (const dilation of [1, 2, 3]) {
            const size = { input, kernel, stride, before, after, dilation };
            const output = convOutputSize(size);
            if (output > 0) found.push({ ...size, output });
          }
        }
      }
    }
  }
  return found;
}

const AXES = axes();

/** All triples of an input, a tap and an output that meet. */
function meetings({ input, output, kernel, stride, before, dilation }: ConvAxis): string[] {
  const all: string[] = [];
  for (let to = 0; to < output; to++) {
    for (let tap = 0; tap < kernel; tap++) {
      const from = to * stride - before + tap * dilation;
      if (from >= 0 && from < input) all.push(`${from} ${tap} ${to}`);
    }
  }
  return all.sort();
}

/** What reaches say: to, tap, from. */
function namedBy(reaches: readonly Reach[]): (readonly [number, number, number])[] {
  return reaches.flatMap((reach) =>
    Array.from({ length: reach.count * reach.taps }, (_, i) => {
      const [position, tap] = [Math.floor(i / reach.taps), i % reach.taps];
      return [
        reach.to + position,
        reach.tap + tap * reach.tapStep,
        reach.from + position * reach.fromStep + tap * reach.inputStep,
      ] as const;
    }),
  );
}

describe('the geometry of a convolution', () => {
  it('has as many outputs as windows fit into the padded input', () => {
    for (const axis of AXES) {
      let windows = 0;
      const reach = axis.dilation * (axis.kernel - 1) + 1;
      for (let at = 0; at + reach <= axis.before + axis.input + axis.after; at += axis.stride)
        windows++;
      expect(axis.output).toBe(windows);
    }
    expect(AXES.length).toBeGreaterThan(200);
  });

  it('has reaches that list every position once with its taps, from both sides', () => {
    for (const axis of AXES) {
      const [outputs, inputs] = [reachOfOutputs(axis), reachOfInputs(axis)];
      const positions = (reaches: readonly Reach[]) =>
        reaches.flatMap(({ to, count }) => Array.from({ length: count }, (_, i) => to + i));
      expect(positions(outputs)).toEqual(Array.from({ length: axis.output }, (_, i) => i));
      expect(positions(inputs)).toEqual(Array.from({ length: axis.input }, (_, i) => i));
      const expected = meetings(axis);
      expect(
        namedBy(outputs)
          .map(([to, tap, from]) => `${from} ${tap} ${to}`)
          .sort(),
      ).toEqual(expected);
      expect(
        namedBy(inputs)
          .map(([to, tap, from]) => `${to} ${tap} ${from}`)
          .sort(),
      ).toEqual(expected);
      const byTap = Array.from({ length: axis.kernel }, (_, tap) => {
        const { first, count } = outputsOfTap(axis, tap);
        return Array.from({ length: count }, (_, i) => {
          const from = (first + i) * axis.stride - axis.before + tap * axis.dilation;
          return `${from} ${tap} ${first + i}`;
        });
      });
      expect(byTap.flat().sort()).toEqual(expected);
    }
  });

  it('has phases that hold every input position once', () => {
    for (const axis of AXES) {
      const positions = axisPhases(axis).flatMap(({ start, count }) =>
        Array.from({ length: count }, (_, i) => start + i * axis.stride),
      );
      expect(positions.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: axis.input }, (_, i) => i),
      );
    }
  });

  it('has phases that list every tap between an input and an output position, in order', () => {
    for (const axis of AXES) {
      const named: string[] = [];
      for (const phase of axisPhases(axis)) {
        for (let i = 0; i < phase.count; i++) {
          for (const [t, tap] of phase.taps.entries()) {
            const position = phase.first + t * phase.step + i;
            expect(phase.step).toBeGreaterThan(0);
            if (position < 0 || position >= axis.output) continue;
            named.push(`${phase.start + i * axis.stride} ${tap} ${position}`);
          }
        }
      }
      expect(named.toSorted()).toEqual(meetings(axis));
    }
  });

  it('has a border that contains all taps, and is no wider than needed', () => {
    for (const axis of AXES) {
      const phases = axisPhases(axis);
      const positions = phases.flatMap((phase) =>
        phase.taps.flatMap((_, t) =>
          Array.from({ length: phase.count }, (_, i) => phase.first + t * phase.step + i),
        ),
      );
      const { before, after } = gradientBorder(axis, phases);
      expect(before).toBe(Math.max(0, -Math.min(...positions)));
      expect(after).toBe(Math.max(0, Math.max(...positions) - (axis.output - 1)));
    }
  });
});
