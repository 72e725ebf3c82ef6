// The flags of `syncbn sweep`: those of `train` that decide what is computed, each with one value
// or a list. Lists are crossed with all others.

import { UsageError } from '../../base/errors.ts';
import type { PlainRecord } from '../../experiments/engine/experiment.ts';
import { type Crossed, combinations } from '../../experiments/runs/sweepAnalysis.ts';
import { DEFAULT_SEED } from '../../runtime/trainerOptions.ts';
import { expandRange, type Flags, wordsIn } from './flags.ts';
import { CROSSED_FLAGS, FIXED_SWITCHES, FIXED_TEXTS } from './sweptFlags.ts';

/** More are probably a mistake, such as one range too many. */
const MAX_RUNS = 10_000;

export interface Sweep {
  /** What has several values, except the seed. */
  readonly crossed: readonly Crossed[];
  readonly seeds: readonly number[];
  /** The flags of each combination of values, without the seed. */
  readonly variants: readonly PlainRecord[];
}

/** Reads what to cross. Throws a {@link UsageError} if there is nothing. */
export function sweepFrom(flags: Flags): Sweep {
  const given = CROSSED_FLAGS.flatMap((name): Crossed[] => {
    const words = wordsIn(`--${name}`, flags.text(name));
    if (words === undefined) return [];
    return [{ name, values: [...new Set(words.flatMap(expandRange))] }];
  });
  const words = given.find(({ name }) => name === 'seed')?.values ?? [`${DEFAULT_SEED}`];
  const seeds = words.map((seed) => seedOf(flags, seed));
  const crossed = given.filter(({ name, values }) => name !== 'seed' && values.length > 1);
  if (crossed.length === 0 && seeds.length === 1) {
    throw new UsageError({
      what: 'syncbn sweep',
      problem: 'has nothing to cross: no flag has several values',
      hint: '--norm sync,local,group --replica-batch 1,2,4 --seed 1..3',
    });
  }
  const variants = combinations(given.filter(({ name }) => name !== 'seed')).map((settings) => ({
    ...settings,
    ...fixedOf(flags),
  }));
  const runs = variants.length * seeds.length;
  if (runs > MAX_RUNS) {
    throw new UsageError({
      what: 'runs of the sweep',
      given: runs,
      allowed: `at most ${MAX_RUNS}`,
      hint: 'fewer values',
    });
  }
  return { crossed, seeds, variants };
}

function seedOf(flags: Flags, seed: string): number {
  return flags.with({ seed }).integer('seed', 0, Number.MAX_SAFE_INTEGER)!;
}

function fixedOf(flags: Flags): PlainRecord {
  const texts = FIXED_TEXTS.flatMap((name) => {
    const text = flags.text(name);
    return text === undefined ? [] : [[name, text] as const];
  });
  const switches = FIXED_SWITCHES.filter((name) => flags.isSet(name));
  return Object.fromEntries([...texts, ...switches.map((name) => [name, true] as const)]);
}

/** The flags of one run of `train`. */
export function flagsOf(flags: Flags, settings: PlainRecord): Flags {
  const { modelHash: _hash, ...given } = settings;
  const texts = Object.entries(given).map(
    ([name, value]) => [name, value === true ? true : String(value)] as const,
  );
  return flags.with(Object.fromEntries(texts));
}
