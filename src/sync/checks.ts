// The checks of collectives, made before any other member is involved.

import { checkInteger, UsageError } from '../base/errors.ts';
import type { ReduceOp } from './arrays.ts';
import type { Place } from './places.ts';

/** Checks that an operation has an identity. */
export function checkScan(op: ReduceOp): void {
  if (op !== 'mean') return;
  throw new UsageError({
    what: 'the operation of exclusiveScan',
    given: op,
    allowed: 'sum, min, max, prod',
    hint: "'sum', divided by the rank",
  });
}

/** Checks that a rank exists. */
export function checkRoot(kind: string, root: number, worldSize: number): void {
  checkInteger(`the root of ${kind}`, root, 0, worldSize - 1);
}

/** Checks that two arrays, such as input and output, have one type and the larger one has the
 * right number of elements. */
export function checkPair(
  kind: string,
  small: readonly [name: string, place: Place],
  large: readonly [name: string, place: Place],
  largeLength: number,
): void {
  const [smallName, { type }] = small;
  const [largeName, { type: largeType, array }] = large;
  if (largeType !== type) {
    throw new UsageError({
      what: `the ${largeName} of ${kind}`,
      given: largeType,
      allowed: `the type of the ${smallName}, ${type}`,
    });
  }
  if (array.length !== largeLength) {
    throw new UsageError({
      what: `the length of the ${largeName} of ${kind}`,
      given: array.length,
      allowed: `${largeLength}, enough for all ranks`,
    });
  }
}

/** Checks the counts of an uneven gather and returns their sum. */
export function checkCounts(
  counts: readonly number[],
  worldSize: number,
  rank: number,
  length: number,
): number {
  if (!Array.isArray(counts)) {
    const allowed = 'a list with the length of each rank';
    throw new UsageError({ what: 'the counts of allGatherV', given: counts, allowed });
  }
  checkInteger('the number of counts of allGatherV', counts.length, worldSize, worldSize);
  counts.forEach((count, other) => {
    checkInteger(`the count of rank ${other} of allGatherV`, count, 0);
  });
  if (counts[rank] !== length) {
    throw new UsageError({
      what: 'the length of the input of allGatherV',
      given: length,
      allowed: `the count of rank ${rank}, ${counts[rank]}`,
    });
  }
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Checks that the root passes its array. */
export function needArray<T>(kind: string, name: string, array: T | null, root: number): T {
  if (array !== null) return array;
  throw new UsageError({
    what: `the ${name} of ${kind} on rank ${root}, its root`,
    given: null,
    allowed: 'an array',
  });
}
