// Plain twins of the kernels of the collectives: one element after the other, in rank order, on
// typed arrays instead of tables of addresses. Float32 is computed in float64 and rounded by the
// array that stores it, which also makes int32 and uint8 wrap around.

/** Arrays of all ranks, of one type and length. */
export type RankArrays = readonly (Float32Array | Float64Array | Int32Array | Uint8Array)[];

export type RankOp = 'sum' | 'min' | 'max' | 'prod' | 'mean';

/** Combines `sofar` with the next rank's value. Int32 products are reduced to 32 bits, since
 * float64 products only have 53. */
function combineRef(array: RankArrays[number], op: RankOp, sofar: number, next: number): number {
  switch (op) {
    case 'min':
      return Math.min(sofar, next);
    case 'max':
      return Math.max(sofar, next);
    case 'prod':
      return array instanceof Int32Array ? Math.imul(sofar, next) : wrap(array, sofar * next);
    default:
      return wrap(array, sofar + next);
  }
}

/** Wraps a whole number as the array would store it. */
function wrap(array: RankArrays[number], value: number): number {
  if (array instanceof Int32Array) return value | 0;
  return array instanceof Uint8Array ? value & 255 : value;
}

/** The result of an empty fold. */
export function identityRef(array: RankArrays[number], op: Exclude<RankOp, 'mean'>): number {
  if (op === 'sum') return 0;
  if (op === 'prod') return 1;
  const isMin = op === 'min';
  if (array instanceof Int32Array) return isMin ? 2 ** 31 - 1 : -(2 ** 31);
  if (array instanceof Uint8Array) return isMin ? 255 : 0;
  return isMin ? Infinity : -Infinity;
}

/** Every destination[i] = sources[0][i] op sources[1][i] op ..., divided by their number for a
 * mean. Destinations may be sources. */
export function foldRanksRef(op: RankOp, sources: RankArrays, destinations: RankArrays): void {
  const first = sources[0]!;
  for (let i = 0; i < first.length; i++) {
    let value = first[i]!;
    for (let k = 1; k < sources.length; k++) value = combineRef(first, op, value, sources[k]![i]!);
    if (op === 'mean') value /= sources.length;
    for (const destination of destinations) destination[i] = value;
  }
}

/** destinations[k][i] = sources[0][i] op ... op sources[k - 1][i]; destinations[0] is the identity.
 * destinations[k] may be sources[k]. */
export function scanRanksRef(
  op: Exclude<RankOp, 'mean'>,
  sources: RankArrays,
  destinations: RankArrays,
): void {
  const first = sources[0]!;
  for (let i = 0; i < first.length; i++) {
    let value = first[i]!;
    destinations[0]![i] = identityRef(first, op);
    for (let k = 1; k < sources.length; k++) {
      const next = sources[k]![i]!;
      destinations[k]![i] = value;
      value = combineRef(first, op, value, next);
    }
  }
}
