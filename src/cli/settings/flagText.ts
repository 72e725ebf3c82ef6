// What a flag is, once: help pages, docs/commands.md, shell completion and settings files are all
// made of these lists. How a flag is typed says which values it takes.

/** A flag as it stands in the help, and the words that its value may be, where those are few. */
export type FlagText = readonly [usage: string, text: string, words?: readonly string[]];

/** Flags under a heading of the help. */
export interface FlagGroup {
  readonly heading: string;
  readonly flags: readonly FlagText[];
}

/** What a flag's value is in a settings file: `switch` is true or false, `list` takes arrays. */
export type ValueKind = 'switch' | 'whole' | 'number' | 'list' | 'text';

/** A flag, taken apart. */
export interface Flag {
  /** Without its dashes. */
  readonly name: string;
  readonly usage: string;
  readonly text: string;
  readonly kind: ValueKind;
  /** Whether it may stand alone although it can have a value. */
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

/** Takes a flag apart: `--lr <rate>` has a number, `--watch [port]` may stand alone. */
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

/** The groups with what is left of them; empty ones are left out. */
export function filterGroups(
  groups: readonly FlagGroup[],
  keep: (flag: Flag) => boolean,
): readonly FlagGroup[] {
  return groups
    .map(({ heading, flags }) => ({ heading, flags: flags.filter((text) => keep(flagOf(text))) }))
    .filter(({ flags }) => flags.length > 0);
}
