// Reads the curve of a learning-rate range test: where the loss falls fastest, and where it blows
// up.

/** A step of the test. */
export interface RangePoint {
  /** Counted from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Mean over the step's samples, before its update. */
  readonly loss: number;
  /** Exponential moving average of the losses so far, with its initial bias removed. */
  readonly smoothedLoss: number;
}

export interface RangeAdvice {
  /** The rate at which the smoothed loss falls fastest over the logarithm of the rate; undefined if
   * it never falls. */
  readonly steepest: number | undefined;
  /** The first rate at which the smoothed loss is not finite or exceeds 4 times its lowest value;
   * undefined if that did not happen. */
  readonly blowUp: number | undefined;
  /** A tenth of the blow-up rate. */
  readonly belowBlowUp: number | undefined;
  /** The rate at which the smoothed loss is lowest. */
  readonly lowest: number | undefined;
}

/** The loss has blown up if it exceeds its lowest value by this factor. */
export const BLOW_UP_FACTOR = 4;

/** Whether the loss has blown up at the last point. */
export function hasBlownUp(points: readonly RangePoint[]): boolean {
  const last = points.at(-1);
  if (last === undefined) return false;
  if (!Number.isFinite(last.smoothedLoss)) return true;
  const best = points.reduce((least, { smoothedLoss }) => Math.min(least, smoothedLoss), Infinity);
  return last.smoothedLoss > BLOW_UP_FACTOR * best;
}

/** Reads the curve of a test, which ends where the loss blows up. Rates must increase by a constant
 * factor. */
export function adviseRate(points: readonly RangePoint[]): RangeAdvice {
  const blowUp = hasBlownUp(points) ? points.at(-1)!.learningRate : undefined;
  let lowest = 0;
  for (const [i, { smoothedLoss }] of points.entries()) {
    if (smoothedLoss < points[lowest]!.smoothedLoss) lowest = i;
  }
  let steepest: number | undefined;
  let steepestSlope = 0;
  // The first differences come from an average over hardly any steps.
  for (let i = 1; i < Math.min(lowest + 1, points.length - 1); i++) {
    const slope = points[i + 1]!.smoothedLoss - points[i - 1]!.smoothedLoss;
    if (slope >= steepestSlope) continue;
    steepestSlope = slope;
    steepest = points[i]!.learningRate;
  }
  return {
    steepest,
    blowUp,
    belowBlowUp: blowUp === undefined ? undefined : blowUp / 10,
    lowest: points[lowest]?.learningRate,
  };
}
