// Schedules that rise again: specs and builders, checked. The rates are in learningRate.ts.

import { optionsSchema, parseOptions } from '../base/parse.ts';
import { atLeastZero, oneOf, realNumber, shareBelowOne, wholeNumber } from '../base/values.ts';
import {
  type Counted,
  type UnitOptions,
  unitField,
  unitOf,
  type Warmup,
  type WarmupOptions,
  warmupFields,
  warmupOf,
} from './warmup.ts';

/** Up to the base rate, then down to almost nothing at the end of training. */
export interface OneCycleSchedule {
  /** The kind of schedule. */
  readonly kind: 'oneCycle';
  /** As {@link OneCycleOptions.pctStart}. */
  readonly pctStart: number;
  /** As {@link OneCycleOptions.divFactor}. */
  readonly divFactor: number;
  /** As {@link OneCycleOptions.finalDivFactor}. */
  readonly finalDivFactor: number;
  /** As {@link OneCycleOptions.annealStrategy}. */
  readonly annealStrategy: 'cos' | 'linear';
}

/** Half a cosine from the base rate to minLr, repeatedly, each `multiplier` times as long as the
 * one before. */
export interface WarmRestartsSchedule extends Warmup, Counted {
  /** The kind of schedule. */
  readonly kind: 'warmRestarts';
  /** As {@link WarmRestartsOptions.period}. */
  readonly period: number;
  /** As {@link WarmRestartsOptions.multiplier}. */
  readonly multiplier: number;
  /** As {@link WarmRestartsOptions.minLr}. */
  readonly minLr: number;
}

/** PyTorch's `OneCycleLR`. The maximum is the optimizer's rate; momentum does not change. */
export interface OneCycleOptions {
  /** Share of the run in which the rate rises, in [0, 1); default 0.3. */
  readonly pctStart?: number;
  /** Divides the maximum rate to give the first one; at least 1, default 25. */
  readonly divFactor?: number;
  /** Divides the first rate to give the last one; at least 1, default 1e4. */
  readonly finalDivFactor?: number;
  /** How the rate rises and falls: along half a cosine, or linearly; default `cos`. */
  readonly annealStrategy?: 'cos' | 'linear';
}

/** PyTorch's `CosineAnnealingWarmRestarts`: `period` is its `T_0`, `multiplier` its `T_mult`. */
export interface WarmRestartsOptions extends WarmupOptions, UnitOptions {
  /** Length of the first half cosine, a whole number of at least 1. */
  readonly period: number;
  /** The length of each half cosine relative to the one before, a whole number of at least 1;
   * default 1. */
  readonly multiplier?: number;
  /** The rate before each restart, as an absolute value; default 0. */
  readonly minLr?: number;
}

const atLeastOne = realNumber('a number of at least 1', (value) => value >= 1);

export const oneCycleSchema = optionsSchema<OneCycleOptions>()({
  pctStart: shareBelowOne.exactOptional(),
  divFactor: atLeastOne.exactOptional(),
  finalDivFactor: atLeastOne.exactOptional(),
  annealStrategy: oneOf(['cos', 'linear']).exactOptional(),
});
export const warmRestartsSchema = optionsSchema<WarmRestartsOptions>()({
  ...warmupFields,
  ...unitField,
  period: wholeNumber(1),
  multiplier: wholeNumber(1).exactOptional(),
  minLr: atLeastZero.exactOptional(),
});

/** Rises from a fraction of the base rate to the full rate, then falls to almost nothing at the end
 * of the run. Throws a {@link UsageError}.
 *
 * @example
 * optim.schedules.oneCycle({ pctStart: 0.3 }) */
export function oneCycle(options: OneCycleOptions = {}): OneCycleSchedule {
  const given = parseOptions('oneCycle', oneCycleSchema, options);
  const { pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4, annealStrategy = 'cos' } = given;
  return { kind: 'oneCycle', pctStart, divFactor, finalDivFactor, annealStrategy };
}

/** Half cosines from the base rate to minLr, one after the other. Throws a {@link UsageError}.
 *
 * @example
 * optim.schedules.warmRestarts({ period: 10, unit: 'epochs' })
 */
export function warmRestarts(options: WarmRestartsOptions): WarmRestartsSchedule {
  const example = "warmRestarts({ period: 10, unit: 'epochs' })";
  const given = parseOptions('warmRestarts', warmRestartsSchema, options, { example });
  const { period, multiplier = 1, minLr = 0 } = given;
  const lengths = { period, multiplier, minLr };
  return { kind: 'warmRestarts', ...lengths, ...warmupOf('warmRestarts', given), ...unitOf(given) };
}
