// Flags that are options of one kind of several, such as of an optimizer or a schedule: each is
// read where it is given, and refused where the kind has no such option.

import { UsageError } from '../../base/errors.ts';
import type { Flags } from './flags.ts';

/** A flag and the option that it becomes. */
export interface KindFlag {
  readonly flag: string;
  readonly option: string;
  /** The flag's value; undefined where it is not given. */
  read(flags: Flags, flag: string): unknown;
  /** What a switch sets the option to; undefined for a flag with a value. */
  readonly sets?: boolean;
}

/** A flag without a value that sets its option. */
export function switchTo(sets: boolean): Pick<KindFlag, 'read' | 'sets'> {
  return { sets, read: (flags, flag) => (flags.isSet(flag) ? sets : undefined) };
}

/** The options that the flags give to the chosen kind. Throws a {@link UsageError} for a flag that
 * it does not take, with the kinds that do. */
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

/** A kind as it is typed: `oneCycle` is `one-cycle`. */
export function flagWord(kind: string): string {
  return kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Throws a {@link UsageError} for a flag that needs something else. */
export function refuseWithout(flags: Flags, name: string, needed: string, isThere: boolean): void {
  if (isThere || !flags.has(name)) return;
  throw new UsageError({ what: `--${name}`, problem: `requires ${needed}` });
}
