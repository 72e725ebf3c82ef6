// From a doctor's measurements to a recommendation: pure arithmetic that does not depend on where
// the numbers come from. The mean of n independent values is off by 1 / sqrt(n) standard
// deviations; compared with the mean of all R shards, which includes it, by sqrt((1 - 1 / R) / n).

import { AUTO_MIN_VALUES } from '../nn/convert/autoNorm.ts';

export const DOCTOR_NORMS = ['local', 'sync', 'group'] as const;
export type DoctorNorm = (typeof DOCTOR_NORMS)[number];

/** If shards differ by this factor more than independent samples would, their data differs. */
const UNEVEN_FACTOR = 1.5;
/** Standard errors by which two accuracies must differ to count as different. */
const CLEAR_ERRORS = 3;

/** Measurements of one normalization. Shifts are in standard deviations of all shards. */
export interface MeasuredLayer {
  readonly layer: string;
  /** Samples per replica in a step, and positions per sample in this layer. */
  readonly samples: number;
  readonly positions: number;
  /** Root mean square of (shard mean - mean of all) over channels, shards and snapshot steps. */
  readonly meanShift: number;
  /** The factor by which shard variances differ from the overall variance, in either direction; at
   * least 1. */
  readonly varianceFactor: number;
  /** What group normalization would use: `groupNorm (8 groups of 4 channels)`, and the number of
   * values in each group. */
  readonly groupNorm: string;
  readonly groupValues: number;
}

/** `steady`: a shard's statistics are at least as good as those of {@link AUTO_MIN_VALUES}
 * independent values. `noisy`: they are worse. `uneven`: they differ by more than independent
 * samples do. */
export type LayerVerdict = 'steady' | 'noisy' | 'uneven';

export interface DiagnosedLayer extends MeasuredLayer {
  /** Values per channel of one shard. */
  readonly values: number;
  /** The shift of shards with this many independent values. */
  readonly expectedShift: number;
  /** The shift if all positions of a sample were equal, which is the most that independent samples
   * can have. */
  readonly sampleShift: number;
  /** How many independent values would give the measured shift. */
  readonly effectiveValues: number;
  readonly verdict: LayerVerdict;
}

/** Results of training with one normalization, after the same steps from the same seed. */
export interface MeasuredVariant {
  readonly norm: DoctorNorm;
  /** Median over the training's windows, and their minimum and maximum. */
  readonly stepMs: number;
  readonly stepMsLeast: number;
  readonly stepMsMost: number;
  /** Mean over the training samples of the last epoch so far. */
  readonly trainLoss: number;
  /** On the test samples; NaN if there are none. Accuracy is also NaN for regression. */
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly testCount: number;
}

export interface Advice {
  readonly norm: DoctorNorm;
  /** With `sync`: how many replicas should share statistics; null for all. */
  readonly groupSize: number | null;
  /** The layers that benefit from synchronization. */
  readonly gaining: readonly string[];
  /** Reasons for the recommendation, with numbers, most important first. */
  readonly reasons: readonly string[];
}

/** Interprets a layer's measurements. */
export function diagnoseLayer(measured: MeasuredLayer, replicas: number): DiagnosedLayer {
  const { samples, positions, meanShift } = measured;
  const share = 1 - 1 / replicas;
  const values = samples * positions;
  const expectedShift = Math.sqrt(share / values);
  const sampleShift = Math.sqrt(share / samples);
  const effectiveValues = share / meanShift ** 2;
  const verdict = (): LayerVerdict => {
    if (meanShift > UNEVEN_FACTOR * sampleShift) return 'uneven';
    return effectiveValues < AUTO_MIN_VALUES ? 'noisy' : 'steady';
  };
  return {
    ...measured,
    values,
    expectedShift,
    sampleShift,
    effectiveValues,
    verdict: verdict(),
  };
}

/** Recommends a normalization. */
export function adviseNorm(
  layers: readonly DiagnosedLayer[],
  variants: readonly MeasuredVariant[],
  replicas: number,
): Advice {
  const byStatistics = adviseByStatistics(layers, replicas);
  const byTraining = adviseByTraining(byStatistics.norm, variants);
  const costs = costReasons(variants);
  if (byTraining === undefined) {
    return { ...byStatistics, reasons: [...byStatistics.reasons, ...costs] };
  }
  const { norm, reason } = byTraining;
  return {
    ...byStatistics,
    norm,
    groupSize: null,
    reasons: [reason, ...byStatistics.reasons, ...costs],
  };
}

function adviseByStatistics(layers: readonly DiagnosedLayer[], replicas: number): Advice {
  const gaining = layers.filter(({ verdict }) => verdict !== 'steady');
  const names = gaining.map(({ layer }) => layer);
  const weakest = layers.reduce((a, b) => (b.effectiveValues < a.effectiveValues ? b : a));
  const state = `${weakest.layer} has the least certain shard statistics: means off by ${show(
    weakest.meanShift,
  )} standard deviations, as of ${show(weakest.effectiveValues)} independent values`;
  if (gaining.length === 0) {
    const reasons = [`${state}; ${AUTO_MIN_VALUES} are enough`];
    return { norm: 'local', groupSize: null, gaining: names, reasons };
  }
  const uneven = gaining.filter(({ verdict }) => verdict === 'uneven');
  const reasons = [`${state}; fewer than ${AUTO_MIN_VALUES} are too few`];
  const groupSize = smallestGroup(gaining, replicas);
  if (uneven.length > 0) {
    const worst = uneven.reduce((a, b) => (b.meanShift > a.meanShift ? b : a));
    const factor = show(worst.meanShift / worst.sampleShift);
    const most = `${factor} times what independent samples explain (${show(worst.sampleShift)})`;
    const text = `shards are uneven in ${worst.layer}: shift ${show(worst.meanShift)}, ${most}; `;
    return {
      norm: 'sync',
      groupSize: null,
      gaining: names,
      reasons: [`${text}the replicas' data differs, so all must share`, ...reasons],
    };
  }
  if (groupSize === undefined) {
    const total = show(weakest.effectiveValues * replicas);
    const group = `group normalization takes ${weakest.groupValues} values of each sample there`;
    const more = `even all ${replicas} replicas have ${total} together; ${group}`;
    return { norm: 'group', groupSize: null, gaining: names, reasons: [...reasons, more] };
  }
  const all = `all ${show(weakest.effectiveValues * replicas)}`;
  const shared = `${groupSize} of ${replicas} replicas together have ${show(
    weakest.effectiveValues * groupSize,
  )}, ${all}`;
  const isAll = groupSize === replicas;
  return {
    norm: 'sync',
    groupSize: isAll ? null : groupSize,
    gaining: names,
    reasons: [...reasons, shared],
  };
}

/** The smallest number of replicas, a divisor of all, that is enough for every layer. */
function smallestGroup(layers: readonly DiagnosedLayer[], replicas: number): number | undefined {
  const least = Math.min(...layers.map(({ effectiveValues }) => effectiveValues));
  for (let size = 1; size <= replicas; size++) {
    if (replicas % size === 0 && size * least >= AUTO_MIN_VALUES) return size;
  }
  return undefined;
}

/** Another normalization, if training was clearly better with it than with the one that the
 * statistics suggest. */
function adviseByTraining(
  norm: DoctorNorm,
  variants: readonly MeasuredVariant[],
): { readonly norm: DoctorNorm; readonly reason: string } | undefined {
  const own = variants.find((variant) => variant.norm === norm)!;
  const others = variants.filter((variant) => variant.norm !== norm && isSound(variant));
  if (!isSound(own)) {
    const best = others.toSorted((a, b) => a.trainLoss - b.trainLoss)[0];
    if (best === undefined) return undefined;
    const broken = `training with norm ${norm} diverged`;
    const reason = `${broken}; with ${best.norm} it did not`;
    return { norm: best.norm, reason };
  }
  const best = others.toSorted((a, b) => b.testAccuracy - a.testAccuracy)[0];
  if (best === undefined || !isClearlyBetter(best, own)) return undefined;
  const [ahead, after] = [best, own].map(({ testAccuracy }) => percent(testAccuracy));
  const lead = `test accuracy ${ahead} with norm ${best.norm} against ${after} with ${norm}`;
  const errors = `more than ${CLEAR_ERRORS} standard errors of ${best.testCount} samples`;
  return { norm: best.norm, reason: `${lead} after the same steps, ${errors}` };
}

function isSound({ trainLoss }: MeasuredVariant): boolean {
  return Number.isFinite(trainLoss);
}

/** Uses the binomial standard error of a difference of two proportions. */
function isClearlyBetter(a: MeasuredVariant, b: MeasuredVariant): boolean {
  const variance = ({ testAccuracy: p, testCount }: MeasuredVariant): number =>
    (p * (1 - p)) / testCount;
  const error = Math.sqrt(variance(a) + variance(b));
  return a.testAccuracy - b.testAccuracy > CLEAR_ERRORS * error;
}

/** What each of the others costs compared with local normalization, if their windows show a
 * difference. */
function costReasons(variants: readonly MeasuredVariant[]): readonly string[] {
  const local = variants.find(({ norm }) => norm === 'local')!;
  return variants
    .filter(({ norm }) => norm !== 'local')
    .map((variant) => {
      const { norm, stepMs } = variant;
      const both = `${showTime(variant)} against ${showTime(local)}`;
      const isApart =
        variant.stepMsLeast > local.stepMsMost || local.stepMsLeast > variant.stepMsMost;
      if (!isApart) return `a step costs the same with norm ${norm} as with local: ${both}`;
      const share = percent(Math.abs(stepMs / local.stepMs - 1));
      const way = stepMs >= local.stepMs ? 'more' : 'less';
      return `a step takes ${share} ${way} with norm ${norm} than with local: ${both}`;
    });
}

function showTime({ stepMs, stepMsLeast, stepMsMost }: MeasuredVariant): string {
  return `${show(stepMs)} ms (windows ${show(stepMsLeast)} to ${show(stepMsMost)})`;
}

function show(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
