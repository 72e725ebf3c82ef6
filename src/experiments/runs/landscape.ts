// Measures at a step what Santurkar et al. 2018 ("How does batch normalization help optimization?")
// do: how much loss and gradient vary along the gradient's direction, and how much a layer's
// gradient changes when the layers before it are updated. The latter is their definition 2.1 of
// internal covariate shift.

import type { Probe } from '../../runtime/probe.ts';

/** Step sizes along the gradient, in learning rates. */
export const STEP_FACTORS = [0.5, 1, 2, 4] as const;

export interface Landscape {
  /** The largest loss along the way minus the smallest, including the start. */
  readonly lossRange: number;
  /** The largest L2 distance of a gradient along the way from the one at the start. */
  readonly gradientChange: number;
  /** `gradientChange` relative to the L2 norm of the gradient at the start. */
  readonly relativeChange: number;
}

/** Looks along the gradient at the probe's parameters, and restores them at the end. */
export function landscapeAt(probe: Probe, rate: number): Landscape {
  const { parameters, gradients } = probe;
  const start = parameters.slice();
  const loss = probe.run();
  const gradient = gradients.slice();
  let [least, most, change] = [loss, loss, 0];
  for (const factor of STEP_FACTORS) {
    for (let i = 0; i < start.length; i++) {
      parameters[i] = start[i]! - factor * rate * gradient[i]!;
    }
    const along = probe.run();
    least = Math.min(least, along);
    most = Math.max(most, along);
    change = Math.max(change, distance(gradients, gradient));
  }
  parameters.set(start);
  return {
    lossRange: most - least,
    gradientChange: change,
    relativeChange: change / norm(gradient),
  };
}

/** For each probed layer but the first, the relative change (L2) of its weight's gradient when the
 * layers before it move from `before` to `after`. Leaves the parameters at `after`. */
export function gradientShifts(
  probe: Probe,
  before: Float32Array,
  after: Float32Array,
): readonly number[] {
  const { parameters, gradients, layers } = probe;
  parameters.set(before);
  probe.run();
  const whole = gradients.slice();
  const shifts = layers.slice(1).map(({ from, to }) => {
    parameters.set(before);
    parameters.set(after.subarray(0, from));
    probe.run();
    const gradient = whole.subarray(from, to);
    return distance(gradients.subarray(from, to), gradient) / norm(gradient);
  });
  parameters.set(after);
  return shifts;
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0));
}
