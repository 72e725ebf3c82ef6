// Plain twins of the normalizations, in float64 and in two passes: first the mean, then the squared
// deviations. All norms use one formula over different sets of elements: y = (x - mean) / sqrt(var
// + eps) * weight + bias, with mean and biased variance over the element's set. Ioffe and Szegedy
// 2015; Ba, Kiros, Hinton 2016; Wu and He 2018. The gradient is the formula of Ioffe and Szegedy,
// section 3.

import type { Numbers } from './conv.ts';

/** The moments of one channel or set. M2 is the sum of squared deviations from the mean. */
export interface MomentsRef {
  readonly count: number;
  readonly mean: number;
  readonly m2: number;
}

/** The moments of some values; zeros if there are none. */
export function momentsRef(values: Numbers): MomentsRef {
  const count = values.length;
  if (count === 0) return { count, mean: 0, m2: 0 };
  let sum = 0;
  // Summed about the first value, which is exact and keeps the digits of a large mean.
  for (const value of values) sum += value - values[0]!;
  const mean = values[0]! + sum / count;
  let m2 = 0;
  for (const value of values) m2 += (value - mean) ** 2;
  return { count, mean, m2 };
}

/** The moments of a union, from the definition: M2 is the sum of those within the parts and that of
 * their means. */
export function mergeMomentsRef(parts: readonly MomentsRef[]): MomentsRef {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const filled = parts.filter((part) => part.count > 0);
  if (count === 0) return { count, mean: 0, m2: 0 };
  const origin = filled[0]!.mean;
  const offset = filled.reduce((sum, part) => sum + part.count * (part.mean - origin), 0) / count;
  const mean = origin + offset;
  const m2 = filled.reduce((sum, part) => sum + part.m2 + part.count * (part.mean - mean) ** 2, 0);
  return { count, mean, m2 };
}

/** Says which elements are normalized together, and which share a weight. */
export interface NormSetsRef {
  readonly countSets: number;
  readonly setOf: (element: number) => number;
  readonly countWeights: number;
  readonly weightOf: (element: number) => number;
}

/** Batch normalization of [rows, C]: a set is a channel within the rows of a sync group.
 * `groupEnds` are the rows at which the groups end. */
export function batchNormSetsRef(channels: number, groupEnds: readonly number[]): NormSetsRef {
  return {
    countSets: groupEnds.length * channels,
    setOf(element) {
      const row = Math.floor(element / channels);
      return groupEnds.findIndex((end) => row < end) * channels + (element % channels);
    },
    countWeights: channels,
    weightOf: (element) => element % channels,
  };
}

/** Group normalization of [N, rows, C]: a set is a group of adjacent channels of a sample. With one
 * group per channel it is instance normalization. */
export function groupNormSetsRef(
  countSamples: number,
  rows: number,
  channels: number,
  numGroups: number,
): NormSetsRef {
  const width = channels / numGroups;
  return {
    countSets: countSamples * numGroups,
    setOf: (element) =>
      Math.floor(element / (rows * channels)) * numGroups +
      Math.floor((element % channels) / width),
    countWeights: channels,
    weightOf: (element) => element % channels,
  };
}

/** Layer normalization of [rows, length]: a set is a row, and every position in it has its own
 * weight. */
export function layerNormSetsRef(rows: number, length: number): NormSetsRef {
  return {
    countSets: rows,
    setOf: (element) => Math.floor(element / length),
    countWeights: length,
    weightOf: (element) => element % length,
  };
}

/** Absent weight and bias are 1 and 0. */
export interface NormAffineRef {
  readonly eps: number;
  readonly weight?: Numbers | undefined;
  readonly bias?: Numbers | undefined;
}

/** The moments of every set. */
export function setMomentsRef(x: Numbers, sets: NormSetsRef): readonly MomentsRef[] {
  const members: number[][] = Array.from({ length: sets.countSets }, () => []);
  for (let i = 0; i < x.length; i++) members[sets.setOf(i)]!.push(x[i]!);
  return members.map((values) => momentsRef(Float64Array.from(values)));
}

/** Returns y, with the length of x. */
export function normalizeRef(x: Numbers, sets: NormSetsRef, affine: NormAffineRef): Float64Array {
  const moments = setMomentsRef(x, sets);
  return Float64Array.from(x, (value, i) => {
    const { count, mean, m2 } = moments[sets.setOf(i)]!;
    const weight = affine.weight?.[sets.weightOf(i)] ?? 1;
    const bias = affine.bias?.[sets.weightOf(i)] ?? 0;
    return ((value - mean) / Math.sqrt(m2 / count + affine.eps)) * weight + bias;
  });
}

export interface NormGradientsRef {
  readonly dx: Float64Array;
  readonly dweight: Float64Array;
  readonly dbias: Float64Array;
}

/** With g = dy weight and xhat the normalized x: dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var
 * + eps), means over the set; dweight and dbias are the sums of dy xhat and of dy. */
export function normalizeGradRef(
  x: Numbers,
  dy: Numbers,
  sets: NormSetsRef,
  affine: NormAffineRef,
): NormGradientsRef {
  const moments = setMomentsRef(x, sets);
  const sumG = new Float64Array(sets.countSets);
  const sumProduct = new Float64Array(sets.countSets);
  const dweight = new Float64Array(sets.countWeights);
  const dbias = new Float64Array(sets.countWeights);
  const invStd = moments.map(({ count, m2 }) => 1 / Math.sqrt(m2 / count + affine.eps));
  const normalized = Float64Array.from(
    x,
    (value, i) => (value - moments[sets.setOf(i)]!.mean) * invStd[sets.setOf(i)]!,
  );
  const g = Float64Array.from(dy, (d, i) => d * (affine.weight?.[sets.weightOf(i)] ?? 1));
  for (let i = 0; i < x.length; i++) {
    const set = sets.setOf(i);
    const at = sets.weightOf(i);
    sumG[set] = sumG[set]! + g[i]!;
    sumProduct[set] = sumProduct[set]! + g[i]! * normalized[i]!;
    dweight[at] = dweight[at]! + dy[i]! * normalized[i]!;
    dbias[at] = dbias[at]! + dy[i]!;
  }
  const dx = g.map((value, i) => {
    const set = sets.setOf(i);
    const { count } = moments[set]!;
    const centred = value - sumG[set]! / count - (normalized[i]! * sumProduct[set]!) / count;
    return centred * invStd[set]!;
  });
  return { dx, dweight, dbias };
}
