// The definition of a flag: help pages, docs/commands.md, shell completion and settings files all
// use these lists. The usage text of a flag determines which values it takes.

/** A flag's usage and help text, and its possible values if there are few. */
export type FlagText = readonly [usage: string, text: string, words?: readonly string[]];

/** Flags under a heading of the help. */
export interface FlagGroup {
  readonly heading: string;
  readonly flags: readonly FlagText[];
}

/** The type of a flag's value in a settings file: `switch` is true or false, `list` accepts
 * arrays. */
export type ValueKind = 'switch' | 'whole' | 'number' | 'list' | 'text';

/** A parsed flag. */
export interface Flag {
  /** Without its dashes. */
  readonly name: string;
  readonly usage: string;
  readonly text: string;
  readonly kind: ValueKind;
  /** Whether its value is optional. */
  readonly isOptional: boolean;
  readonly words: readonly string[];
  /** Whether its value may be a file or a folder. */
  readonly isPath: boolean;
}

/** Placeholders of values that are not text. */
const KINDS: Readonly<Record<string, ValueKind>> = {
  ...kindsOf('whole', ['n', 'k', 'epoch', 'port']),
  ...kindsOf('number', ['x', 'rate', 'ms', 'us', 'seconds', 'percent', 'decay', 'alpha']),
  ...kindsOf('list', ['list', 'b1,b2']),
};

function kindsOf(kind: ValueKind, placeholders: readonly string[]): Record<string, ValueKind> {
  return Object.fromEntries(placeholders.map((placeholder) => [placeholder, kind]));
}

/** Parses a flag: `--lr <rate>` takes a number, `--watch [port]` has an optional value. */
export function flagOf([usage, text, words = []]: FlagText): Flag {
  const found = /^--(\S+?)(?: ([<[])([^>\]]+)[>\]])?$/.exec(usage);
  if (found === null) throw new TypeError(`a flag that cannot be read: ${usage}`);
  const [, name, bracket, placeholder] = found;
  const kind = placeholder === undefined ? 'switch' : (KINDS[placeholder] ?? 'text');
  const isPath = /file|folder|path|dir/.test(placeholder ?? '');
  return { name: name!, usage, text, kind, isOptional: bracket === '[', words, isPath };
}

/** The flags of all groups. */
export function flagsOf(groups: readonly FlagGroup[]): readonly Flag[] {
  return groups.flatMap(({ flags }) => flags.map(flagOf));
}

/** The groups with the remaining flags; empty groups are dropped. */
export function filterGroups(
  groups: readonly FlagGroup[],
  keep: (flag: Flag) => boolean,
): readonly FlagGroup[] {
  return groups
    .map(({ heading, flags }) => ({ heading, flags: flags.filter((text) => keep(flagOf(text))) }))
    .filter(({ flags }) => flags.length > 0);
}
