// Averages of the weights over steps or epochs as plain data: specs and builders, checked. The
// rates of the steps are in averageRate.ts.

import { optionsSchema, parseKind, parseOptions } from '../base/parse.ts';
import { shareBelowOne, wholeNumber } from '../base/values.ts';

/** Exponential moving average: after each step average = decay average + (1 - decay) weights,
 * starting from the weights after the first step (torch.optim.swa_utils, get_ema_avg_fn). */
export interface EmaSpec {
  /** The kind of average. */
  readonly kind: 'ema';
  /** As {@link EmaOptions.decay}. */
  readonly decay: number;
}

/** Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights at the ends of all
 * epochs from `fromEpoch` on. */
export interface SwaSpec {
  /** The kind of average. */
  readonly kind: 'swa';
  /** As {@link SwaOptions.fromEpoch}. */
  readonly fromEpoch: number;
}

/** An average of the weights as plain data. */
export type AveragingSpec = EmaSpec | SwaSpec;

/** The options of `optim.averaging.ema`. */
export interface EmaOptions {
  /** The share of the average that each step keeps, in [0, 1); default 0.999. */
  readonly decay?: number;
}

/** The options of `optim.averaging.swa`. */
export interface SwaOptions {
  /** The first epoch, counted from 1, with weights that enter the average at its end. */
  readonly fromEpoch: number;
}

const DEFAULT_DECAY = 0.999;

const emaSchema = optionsSchema<EmaOptions>()({ decay: shareBelowOne.exactOptional() });
const swaSchema = optionsSchema<SwaOptions>()({ fromEpoch: wholeNumber(1) });

/** An exponential moving average of the weights. Throws a {@link UsageError}.
 *
 * @example
 * optim.averaging.ema({ decay: 0.999 })
 */
export function ema(options: EmaOptions = {}): EmaSpec {
  const { decay = DEFAULT_DECAY } = parseOptions('ema', emaSchema, options);
  return { kind: 'ema', decay };
}

/** The mean of the weights at the ends of epochs. Throws a {@link UsageError}.
 *
 * @example
 * optim.averaging.swa({ fromEpoch: 10 })
 */
export function swa(options: SwaOptions): SwaSpec {
  const example = 'swa({ fromEpoch: 10 })';
  return { kind: 'swa', ...parseOptions('swa', swaSchema, options, { example }) };
}

/** Parses an average from plain data: the result of a builder, or its options with a `kind`. Throws
 * a {@link UsageError}. */
export function parseAveraging(given: unknown): AveragingSpec {
  const { kind, rest } = parseKind(
    'averaging',
    { ema: 'optim.averaging.ema()', swa: 'optim.averaging.swa({ fromEpoch: 10 })' },
    given,
  );
  return kind === 'ema' ? ema(rest) : swa(rest as unknown as SwaOptions);
}
