// What the curve of a learning-rate range test says: where the loss falls fastest, and where it
// blows up.

/** A step of the test. */
export interface RangePoint {
  /** From 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Mean over the samples of the step, before its update. */
  readonly loss: number;
  /** The average of the losses so far, later ones weighing more, without the bias of its start. */
  readonly smoothedLoss: number;
}

export interface RangeAdvice {
  /** The rate at which the smoothed loss falls fastest over the logarithm of the rate; undefined
   * where it never falls. */
  readonly steepest: number | undefined;
  /** The first rate at which the smoothed loss is not finite or above 4 times its lowest; undefined
   * where that did not happen. */
  readonly blowUp: number | undefined;
  /** A tenth of it. */
  readonly belowBlowUp: number | undefined;
  /** The rate at which the smoothed loss is lowest. */
  readonly lowest: number | undefined;
}

/** The loss has blown up where it is so many times its lowest. */
export const BLOW_UP_FACTOR = 4;

/** Whether the last step of the points shows that the loss has blown up. */
export function hasBlownUp(points: readonly RangePoint[]): boolean {
  const last = points.at(-1);
  if (last === undefined) return false;
  if (!Number.isFinite(last.smoothedLoss)) return true;
  const best = points.reduce((least, { smoothedLoss }) => Math.min(least, smoothedLoss), Infinity);
  return last.smoothedLoss > BLOW_UP_FACTOR * best;
}

/** Reads the curve of a test, which ends where the loss blows up, by steps of equal factors. */
export function adviseRate(points: readonly RangePoint[]): RangeAdvice {
  const blowUp = hasBlownUp(points) ? points.at(-1)!.learningRate : undefined;
  let lowest = 0;
  for (const [i, { smoothedLoss }] of points.entries()) {
    if (smoothedLoss < points[lowest]!.smoothedLoss) lowest = i;
  }
  let steepest: number | undefined;
  let steepestSlope = 0;
  // The first differences are those of an average over hardly any steps.
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
