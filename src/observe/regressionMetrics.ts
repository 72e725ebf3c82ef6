// Regression metrics. Sums are taken in float64 in sample order, for each target value separately.

import { sizeOf } from '../base/shape.ts';
import { ofRegression, type Targets } from './metric.ts';

/** 1 - sum (target - output)^2 / sum (target - mean of the targets)^2, averaged over the target's
 * values. Its units cancel. The mean is updated with each sample (Welford 1962), since it is only
 * known then which samples count. */
export const r2 = ofRegression(({ targetShape }) => {
  const size = sizeOf(targetShape);
  return {
    check() {
      let first: Targets | undefined;
      const varies = new Array<boolean>(size).fill(false);
      return {
        add(targets) {
          first ??= targets.slice(0, size);
          for (const [i, value] of targets.entries())
            varies[i % size] ||= value !== first[i % size];
        },
        whyNot() {
          const alike = varies.indexOf(false);
          return alike < 0 ? undefined : `value ${alike} of the targets is the same in all samples`;
        },
      };
    },
    count() {
      const residuals = new Float64Array(size);
      const means = new Float64Array(size);
      const deviations = new Float64Array(size);
      let samples = 0;
      return {
        add(outputs, target) {
          samples++;
          for (let j = 0; j < size; j++) {
            residuals[j]! += (target[j]! - outputs[j]!) ** 2;
            const delta = target[j]! - means[j]!;
            means[j]! += delta / samples;
            deviations[j]! += delta * (target[j]! - means[j]!);
          }
        },
        value: () => meanOf(residuals.map((residual, j) => 1 - residual / deviations[j]!)),
      };
    },
  };
});

/** mean |target - output| in the units of the data, over all values of the target. */
export const mae = ofRegression(({ targetShape, std }) => {
  const size = sizeOf(targetShape);
  return {
    count() {
      const sums = new Float64Array(size);
      let samples = 0;
      return {
        add(outputs, target) {
          samples++;
          for (let j = 0; j < size; j++) sums[j]! += Math.abs(target[j]! - outputs[j]!);
        },
        value: () => meanOf(sums.map((sum, j) => ((std?.[j] ?? 1) * sum) / samples)),
      };
    },
  };
});

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
