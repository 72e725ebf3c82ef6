// Options that several norms have, and their checks.

import { UsageError } from '../../base/errors.ts';
import type { Shape } from '../../base/shape.ts';
import { accept, jsonOf, positive, realNumber, realOrNull } from '../../base/values.ts';
import { checkCount, size } from './options.ts';

/** Which replicas share batch statistics: all of them, each alone, or groups of k neighbors. */
export type SyncScope = 'all' | 'local' | number;

/** A {@link SyncScope} as options take it: `sync` is an alias of `all`. */
export type SyncOption = SyncScope | 'sync';

export const DEFAULT_EPS = 1e-5;
/** Weight of the newest batch in running statistics, as in PyTorch. */
export const DEFAULT_MOMENTUM = 0.1;
/** The initial weight of a norm. */
export const DEFAULT_WEIGHT = 1;

/** Options that several norms have: the constant added to a variance or mean square, whether there
 * are trained parameters, the weight of the newest observation, and which replicas share
 * statistics. */
export const epsOption = positive.exactOptional();
export const momentumOption = realOrNull(
  'a number from 0 to 1, or null for a cumulative average',
  (momentum) => momentum >= 0 && momentum <= 1,
  { minimum: 0, maximum: 1 },
).exactOptional();
export const weightInitOption = realNumber('a finite number', () => true).exactOptional();
/** Both builders and parsed models use this option, so specs never contain the alias. */
export const syncOption = accept<SyncOption>(
  "'all', 'local' or a number of replicas",
  (sync) => sync === 'all' || sync === 'sync' || sync === 'local' || size.safeParse(sync).success,
  { anyOf: [{ enum: ['all', 'local', 'sync'] }, jsonOf(size)] },
)
  .transform((sync): SyncScope => (sync === 'sync' ? 'all' : sync))
  .exactOptional();

/** The last axes of a sample, as a list of sizes. */
export function checkNormalizedShape(layer: string, normalizedShape: number | Shape): Shape {
  const shape = Array.isArray(normalizedShape) ? Array.from(normalizedShape) : [normalizedShape];
  if (shape.length === 0) {
    throw new UsageError({
      what: `${layer} normalizedShape`,
      given: normalizedShape,
      allowed: 'the sizes of the last axes of a sample, at least one',
    });
  }
  return shape.map((one) => checkCount(`${layer} normalizedShape`, one));
}
