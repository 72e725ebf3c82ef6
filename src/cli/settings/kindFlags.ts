// Flags that are options of one kind among several, such as optimizers or schedules: each is read
// if it is given, and refused if the chosen kind has no such option.

import { UsageError } from '../../base/errors.ts';
import type { Flags } from './flags.ts';

/** A flag and its option. */
export interface KindFlag {
  readonly flag: string;
  readonly option: string;
  /** The flag's value; undefined if it is not given. */
  read(flags: Flags, flag: string): unknown;
  /** The value that a switch sets; undefined for a flag with a value. */
  readonly sets?: boolean;
}

/** A flag without a value that sets its option. */
export function switchTo(sets: boolean): Pick<KindFlag, 'read' | 'sets'> {
  return { sets, read: (flags, flag) => (flags.isSet(flag) ? sets : undefined) };
}

/** The options for the chosen kind from the flags. Throws a {@link UsageError} for a flag that it
 * does not take, with the kinds that do. */
export function optionsOfKind<Kind extends string>(
  flags: Flags,
  table: readonly KindFlag[],
  {
    chooser,
    kinds,
    chosen,
    optionsOf,
  }: {
    /** The flag that chooses the kind. */
    readonly chooser: string;
    readonly kinds: readonly Kind[];
    readonly chosen: Kind;
    readonly optionsOf: (kind: Kind) => readonly string[];
  },
): Readonly<Record<string, unknown>> {
  const given: Record<string, unknown> = {};
  for (const { flag, option, read } of table) {
    const value = read(flags, flag);
    if (value === undefined) continue;
    if (!optionsOf(chosen).includes(option)) {
      const takers = kinds.filter((kind) => optionsOf(kind).includes(option)).map(flagWord);
      refuseWithout(flags, flag, `--${chooser} ${takers.join(' or ')}`, false);
    }
    given[option] = value;
  }
  return given;
}

/** A kind as it is typed: `one-cycle` for `oneCycle`. */
export function flagWord(kind: string): string {
  return kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Throws a {@link UsageError} for a flag that requires something else. */
export function refuseWithout(flags: Flags, name: string, needed: string, isThere: boolean): void {
  if (isThere || !flags.has(name)) return;
  throw new UsageError({ what: `--${name}`, problem: `requires ${needed}` });
}
