// The weight of an evaluated sample in the statistics of each batch normalization: the choice of a
// run, resolved for a layer. The math is in norm/evalCorrection.ts.

import { UsageError } from '../base/errors.ts';
import { kindOf } from '../nn/graph/kinds.ts';
import type { LeafSpec } from '../nn/specs/spec.ts';

/** The weight of a sample, from 0 to 1, or `auto` for the weight that it has in training. */
export type EvalCorrection = 'auto' | number;

/** Checks the option. Returns null if there is none. */
export function checkEvalCorrection(value: EvalCorrection | undefined): EvalCorrection | null {
  if (value === undefined || value === 'auto') return value ?? null;
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw new UsageError({
    what: 'evalCorrection',
    given: value,
    allowed: "'auto', or the weight of a sample from 0 to 1",
  });
}

/** The weight of a sample in the statistics of one layer, 0 for none: that of a full step, in which
 * its replica or sync group has this many samples. Frozen layers, which do not depend on the batch
 * in training, have none. Neither do layers other than batchNorm: batchRenorm already trains
 * toward its running statistics. */
export function evalWeightOf(
  spec: LeafSpec,
  run: {
    readonly evalCorrection?: EvalCorrection | null;
    readonly replicas: number;
    readonly globalBatch: number;
  },
): number {
  const correction = run.evalCorrection ?? null;
  if (correction === null) return 0;
  const sharing = kindOf(spec).norm?.sharingSamples?.(spec, run);
  if (sharing === undefined) return 0;
  return correction === 'auto' ? 1 / Math.max(1, sharing) : correction;
}
