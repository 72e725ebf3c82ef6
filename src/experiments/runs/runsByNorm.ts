// The runs of experiments that compare norms: each case with each norm and each seed.

import { type ComparedNorm, netSettings } from '../engine/choices.ts';
import { seedsOf } from '../engine/compare.ts';
import type { ExperimentOptions, PlainRecord, RunSpec } from '../engine/experiment.ts';
import { NORM_TITLES } from './plainNets.ts';

/** A condition to compare all norms under, such as a learning rate. */
export interface NormCase {
  /** The label of a run, without its seed; default: the norm. */
  readonly labelOf?: (norm: string) => string;
  readonly settings: PlainRecord;
}

export function runsByNorm(
  options: ExperimentOptions,
  of: {
    readonly norms: readonly ComparedNorm[];
    readonly cases: readonly NormCase[];
    /** Settings that all runs share. */
    readonly settings: PlainRecord;
    readonly costOf: (norm: ComparedNorm) => number;
  },
): readonly RunSpec[] {
  const { norms, cases, costOf } = of;
  const whole = { data: options.data, ...netSettings(options) };
  return seedsOf(options).flatMap((seed) =>
    cases.flatMap(({ labelOf = (norm) => norm, settings }) =>
      norms.map((norm) => ({
        label: `${labelOf(NORM_TITLES[norm])}, seed ${seed}`,
        settings: { ...whole, norm, ...settings, ...of.settings, seed },
        cost: costOf(norm),
      })),
    ),
  );
}
