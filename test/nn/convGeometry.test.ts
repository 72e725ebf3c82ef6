import { describe, expect, it } from 'vitest';
import {
  axisPhases,
  type ConvAxis,
  convOutputSize,
  gradientBorder,
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

  it('has phases that name every tap between an input and an output position, in order', () => {
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
      const all: string[] = [];
      for (let output = 0; output < axis.output; output++) {
        for (let tap = 0; tap < axis.kernel; tap++) {
          const input = output * axis.stride - axis.before + tap * axis.dilation;
          if (input >= 0 && input < axis.input) all.push(`${input} ${tap} ${output}`);
        }
      }
      expect(named.toSorted()).toEqual(all.toSorted());
    }
  });

  it('has a border in which all taps lie, and no wider than they need', () => {
    for (const axis of AXES) {
      const phases = axisPhases(axis);
      const positions = phases.flatMap((phase) =>
        phase.taps.flatMap((_, t) =>
          Array.from({ length: phase.count }, (_, i) => phase.first + t * phase.step + i),
        ),
      );
      const { before, behind } = gradientBorder(axis, phases);
      expect(before).toBe(Math.max(0, -Math.min(...positions)));
      expect(behind).toBe(Math.max(0, Math.max(...positions) - (axis.output - 1)));
    }
  });
});
