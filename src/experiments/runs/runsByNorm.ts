// The runs of the experiments that compare norms at one learning rate and batch: each norm with
// each seed.

import { type ComparedNorm, netSettings } from '../engine/choices.ts';
import { seedsOf } from '../engine/compare.ts';
import type { ExperimentOptions, PlainRecord, RunSpec } from '../engine/experiment.ts';
import { NORM_TITLES } from './plainNets.ts';

export function runsByNorm(
  options: ExperimentOptions,
  of: {
    readonly norms: readonly ComparedNorm[];
    readonly rate: number;
    /** What else decides a run, the same in all. */
    readonly settings: PlainRecord;
    readonly costOf: (norm: ComparedNorm) => number;
  },
): readonly RunSpec[] {
  const { norms, rate, settings, costOf } = of;
  return seedsOf(options).flatMap((seed) =>
    norms.map((norm) => ({
      label: `${NORM_TITLES[norm]}, seed ${seed}`,
      settings: { data: options.data, ...netSettings(options), norm, rate, ...settings, seed },
      cost: costOf(norm),
    })),
  );
}
