// How far the statistics of each shard are from those of its sync group, and how healthy the
// group's are. Plain loops over channels in float64, in one order, so the numbers do not depend on
// the number of workers.

// Places in the numbers of one layer and replica.
/** Values per channel in the shard; with 0 of them all averages are NaN. */
export const COUNT = 0;
export const MEAN_SHIFT = 1;
export const VARIANCE_RATIO = 2;
export const VARIANCE_FACTOR = 3;
export const CONDITIONING = 4;
export const DEAD_SHARE = 5;
export const NON_FINITE = 6;
/** One cache line, so replicas of different workers never share one. */
export const DIAGNOSTICS_LENGTH = 8;

/** A channel with a variance of at most this share of eps has an output with a standard
 * deviation below sqrt(0.01 / 1.01) = 0.1 instead of 1. It carries almost no information and
 * counts as dead. */
export const DEAD_VARIANCE_SHARE = 0.01;

/** The number of places that snapshots rotate through. While snapshot k is read, k + 1 may be
 * written, and workers that do not wait for each other may be one step ahead of the one that
 * counts steps. */
export const SNAPSHOT_SLOTS = 3;

/** Binds the diagnosis of one shard: the function takes places in `numbers`: those of the shard's
 * and the group's moments (count, mean[C], M2[C]) and of the {@link DIAGNOSTICS_LENGTH} results.
 *
 * The mean and biased variance are m, v for the shard and M, V for its group. Live channels are
 * those with finite m, v, M, V and V > {@link DEAD_VARIANCE_SHARE} eps. Over the live channels:
 *
 * - mean shift: sqrt(mean of (m - M)^2 / (V + eps)): how far the shard's outputs would move if it
 *   were normalized alone, in standard deviations;
 * - variance ratio: exp(mean of log q), q = (v + eps) / (V + eps), the geometric mean;
 * - variance factor: exp(sqrt(mean of (log q)^2)), at least 1: channels above and below the group
 *   do not cancel. Both are NaN for a shard with one value per channel, which has no variance;
 * - conditioning: max of |M| / sqrt(V): its logarithm is the number of digits that x - M loses;
 * - dead share: channels with V <= {@link DEAD_VARIANCE_SHARE} eps over all channels;
 * - non-finite: the number of channels with NaN or infinity in the shard's m or v, which shows
 *   where they originate.
 *
 * Without live channels the averages are NaN. For an empty shard, everything except the counts is
 * NaN. */
export function bindDiagnosis(
  numbers: Float64Array,
  channels: number,
  eps: number,
): (shardAt: number, groupAt: number, toAt: number) => void {
  const deadVariance = DEAD_VARIANCE_SHARE * eps;
  return (shardAt, groupAt, toAt) => {
    const count = numbers[shardAt]!;
    const groupCount = numbers[groupAt]!;
    let live = 0;
    let dead = 0;
    let nonFinite = 0;
    let shifts = 0;
    let logs = 0;
    let squaredLogs = 0;
    let worstSquare = 0;
    for (let channel = 1; channel <= channels && count > 0; channel++) {
      const mean = numbers[shardAt + channel]!;
      const variance = numbers[shardAt + channels + channel]! / count;
      const groupMean = numbers[groupAt + channel]!;
      const groupVariance = numbers[groupAt + channels + channel]! / groupCount;
      // A value that is not finite minus itself is NaN.
      if (mean - mean + (variance - variance) !== 0) nonFinite++;
      else if (groupMean - groupMean + (groupVariance - groupVariance) !== 0) continue;
      else if (groupVariance <= deadVariance) dead++;
      else {
        live++;
        const shift = mean - groupMean;
        const log = Math.log((variance + eps) / (groupVariance + eps));
        shifts += (shift * shift) / (groupVariance + eps);
        logs += log;
        squaredLogs += log * log;
        worstSquare = Math.max(worstSquare, (groupMean / groupVariance) * groupMean);
      }
    }
    const hasVariance = count > 1 && live > 0;
    numbers[toAt + COUNT] = count;
    numbers[toAt + MEAN_SHIFT] = Math.sqrt(shifts / live);
    numbers[toAt + VARIANCE_RATIO] = hasVariance ? Math.exp(logs / live) : Number.NaN;
    numbers[toAt + VARIANCE_FACTOR] = hasVariance
      ? Math.exp(Math.sqrt(squaredLogs / live))
      : Number.NaN;
    numbers[toAt + CONDITIONING] = live > 0 ? Math.sqrt(worstSquare) : Number.NaN;
    numbers[toAt + DEAD_SHARE] = count > 0 ? dead / channels : Number.NaN;
    numbers[toAt + NON_FINITE] = nonFinite;
  };
}
