// Parses a command line with cac and checks it against the table of commands, without running it.
// An unknown flag is an error that suggests the nearest known one.

import { cac } from 'cac';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { Flags, markValues, type RawFlags, unmarkValues } from '../settings/flags.ts';
import { flagsOf } from '../settings/flagText.ts';
import { type CommandText, commands } from './commands.ts';
import { usageOf } from './helpPages.ts';

/** The flags of all commands that take a value. */
const valueFlags = commands.flatMap(({ groups }) =>
  flagsOf(groups).flatMap(({ name, kind }) => (kind === 'switch' ? [] : [`--${name}`])),
);

/** A parsed command line. */
export interface CommandLine {
  readonly command: CommandText | undefined;
  readonly args: readonly string[];
  readonly options: RawFlags;
  /** All words as the parser received them. */
  readonly words: readonly string[];
}

/** Parses the words of a process: node, program, command, arguments and flags. Throws if a flag
 * lacks a required value. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const words = markValues(argv, valueFlags);
  const cli = cac('syncbn');
  cli.option('-h, --help', '').option('-v, --version', '');
  for (const command of commands) {
    const parsed = cli.command(usageOf(command), command.text).action(() => {});
    for (const { usage, text } of flagsOf(command.groups)) parsed.option(usage, text);
  }
  const { args, options } = cli.parse(words, { run: false });
  const { '--': rest = [], ...raw } = options as { readonly '--'?: readonly string[] };
  const command = commands.find(({ name }) => name === cli.matchedCommandName);
  return { command, args: [...args, ...rest], options: withoutNegation(raw), words };
}

/** Returns the flags of a command line. Throws if the command does not have one of them or takes
 * fewer arguments. */
export function checkedFlags(command: CommandText, line: CommandLine): Flags {
  checkKnown(command, line.words);
  checkArguments(command, line.args);
  return new Flags(unmarkValues(line.options));
}

/** Rejects flags that the command does not have, and suggests the nearest one. */
function checkKnown(command: CommandText, words: readonly string[]): void {
  const known = flagsOf(command.groups).map(({ name }) => name.replace(/^no-/, ''));
  for (const word of words.slice(2)) {
    if (word === '--') break;
    const name = /^--?(?:no-)?([^=]+)/.exec(word)?.[1];
    if (!word.startsWith('-') || name === undefined) continue;
    if (known.includes(name)) continue;
    const nearest = nearestWord(name, known);
    throw new UsageError({
      what: `syncbn ${command.name}`,
      problem: `has no flag ${word.split('=')[0]!}`,
      hint: nearest === undefined ? `syncbn ${command.name} --help` : `--${nearest}`,
    });
  }
}

function checkArguments(command: CommandText, args: readonly string[]): void {
  const names = command.arguments.map(({ name }) => name);
  if (args.length <= names.length) return;
  throw new UsageError({
    what: `arguments of syncbn ${command.name}`,
    given: args,
    allowed: names.length === 0 ? 'flags only' : `one ${names.join(' and one ')}`,
  });
}

/** The parsed flags without those that the parser adds. */
function withoutNegation({ normDecay, wide, ...rest }: RawFlags): RawFlags {
  // For a flag `--no-x`, the parser sets x to true if the flag is not given.
  return {
    ...rest,
    ...(normDecay === false && { noNormDecay: true }),
    ...(wide === false && { noWide: true }),
  };
}
