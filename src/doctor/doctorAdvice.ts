// From what a doctor's run measured to a recommendation: pure arithmetic on numbers, which does
// not know where they come from. The mean of n independent values is off by 1 / sqrt(n) standard
// deviations; against the mean of all R shards, of which it is one, by sqrt((1 - 1 / R) / n).

import { AUTO_MIN_VALUES } from '../nn/convert/autoNorm.ts';

export const DOCTOR_NORMS = ['local', 'sync', 'group'] as const;
export type DoctorNorm = (typeof DOCTOR_NORMS)[number];

/** So much above what independent samples explain, a shard differs in more than its luck. */
const UNEVEN_FACTOR = 1.5;
/** Standard errors between two accuracies that count as a difference. */
const CLEAR_ERRORS = 3;

/** What was measured at one normalization. Shifts are in standard deviations of all shards. */
export interface MeasuredLayer {
  readonly layer: string;
  /** Samples of a replica in a step, and positions of each in this layer. */
  readonly samples: number;
  readonly positions: number;
  /** Root mean square of (shard mean - mean of all) over channels, shards and snapshot steps. */
  readonly meanShift: number;
  /** By what factor shard variances differ from that of all, up or down; at least 1. */
  readonly varianceFactor: number;
  /** What group normalization would take: `groupNorm (8 groups of 4 channels)`, and the values of
   * each group. */
  readonly groupNorm: string;
  readonly groupValues: number;
}

/** `steady`: a shard's statistics are at least as good as those of {@link AUTO_MIN_VALUES}
 * independent values. `noisy`: they are not. `uneven`: they differ by more than independent
 * samples do. */
export type LayerVerdict = 'steady' | 'noisy' | 'uneven';

export interface DiagnosedLayer extends MeasuredLayer {
  /** Values per channel of one shard. */
  readonly values: number;
  /** The shift of shards of as many independent values. */
  readonly expectedShift: number;
  /** The shift where all positions of a sample are alike, the most of independent samples. */
  readonly sampleShift: number;
  /** How many independent values would shift as much as was measured. */
  readonly effectiveValues: number;
  readonly verdict: LayerVerdict;
}

/** What training with one normalization gave, after the same steps from the same seed. */
export interface MeasuredVariant {
  readonly norm: DoctorNorm;
  /** Median over the windows of the training, and their least and largest. */
  readonly stepMs: number;
  readonly stepMsLeast: number;
  readonly stepMsMost: number;
  /** Mean over the samples trained on in the last epoch so far. */
  readonly trainLoss: number;
  /** On the test samples; NaN without any, the accuracy also for regression. */
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly testCount: number;
}

export interface Advice {
  readonly norm: DoctorNorm;
  /** With `sync`: replicas that are to share statistics; null for all. */
  readonly groupSize: number | null;
  /** The layers that gain from synchronization. */
  readonly gaining: readonly string[];
  /** What the recommendation rests on, with its numbers, most important first. */
  readonly reasons: readonly string[];
}

/** Adds to a layer's numbers what they mean. */
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
      reasons: [`${text}the replicas' data differ, so all have to share`, ...reasons],
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

/** The least replicas, a divisor of all, with which every layer has enough. */
function smallestGroup(layers: readonly DiagnosedLayer[], replicas: number): number | undefined {
  const least = Math.min(...layers.map(({ effectiveValues }) => effectiveValues));
  for (let size = 1; size <= replicas; size++) {
    if (replicas % size === 0 && size * least >= AUTO_MIN_VALUES) return size;
  }
  return undefined;
}

/** Another normalization where training clearly went better with it than with the one that the
 * statistics ask for. */
function adviseByTraining(
  norm: DoctorNorm,
  variants: readonly MeasuredVariant[],
): { readonly norm: DoctorNorm; readonly reason: string } | undefined {
  const own = variants.find((variant) => variant.norm === norm)!;
  const others = variants.filter((variant) => variant.norm !== norm && isSound(variant));
  if (!isSound(own)) {
    const best = others.toSorted((a, b) => a.trainLoss - b.trainLoss)[0];
    if (best === undefined) return undefined;
    const broken = `training with norm ${norm} left the finite numbers`;
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

/** By the binomial standard error of a difference of two shares. */
function isClearlyBetter(a: MeasuredVariant, b: MeasuredVariant): boolean {
  const variance = ({ testAccuracy: p, testCount }: MeasuredVariant): number =>
    (p * (1 - p)) / testCount;
  const error = Math.sqrt(variance(a) + variance(b));
  return a.testAccuracy - b.testAccuracy > CLEAR_ERRORS * error;
}

/** What each of the others costs against local normalization, as far as their windows tell. */
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
