// Runs a command line, parsed with cac. An unknown word is an error that proposes the nearest flag
// or command. Returns the exit code and never ends the process itself.

import { inspect } from 'node:util';
import { cac } from 'cac';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { packageVersion } from '../../base/version.ts';
import { WIDE_VARIABLE } from '../../kernels/engine.ts';
import { jsonSink } from '../output/events.ts';
import { PLAIN_VARIABLE, say, screen, warn } from '../output/screen.ts';
import { EXIT_USAGE, errorEvent, exitCodeOf } from '../process/failure.ts';
import { beginAmongPeers, tellPeers } from '../process/peers.ts';
import { Flags, markValues, type RawFlags, unmarkValues } from '../settings/flags.ts';
import { flagsOf } from '../settings/flagText.ts';
import { type CommandText, commands } from './commands.ts';
import { commandPage, mainPage, usageOf, welcome } from './helpPages.ts';

/** All commands' flags that take a value. */
const valueFlags = commands.flatMap(({ groups }) =>
  flagsOf(groups).flatMap(({ name, kind }) => (kind === 'switch' ? [] : [`--${name}`])),
);

/** Runs the command line and returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  let isJson = argv.includes('--json');
  let isDebug = argv.includes('--debug');
  try {
    // Before anything is shown, including help.
    if (argv.includes('--plain') || (process.env[PLAIN_VARIABLE] ?? '') !== '') screen.goLinear();
    const words = markValues(argv, valueFlags);
    const { command, args, options } = parse(words);
    if (options.version === true) return showVersion();
    if (options.help === true) return showHelp(command, args);
    if (command === undefined) return withoutCommand(args[0]);
    beginAmongPeers(command.name, command.isShared === true);
    checkKnown(command, words);
    checkArguments(command, args);
    const flags = await withSettings(command, new Flags(unmarkValues(options)));
    isJson ||= flags.isSet('json');
    isDebug ||= flags.isSet('debug');
    if (flags.isSet('plain')) screen.goLinear();
    // Set for the whole process, because it affects nothing that a run is or saves.
    if (flags.isSet('no-wide')) process.env[WIDE_VARIABLE] = '0';
    if (flags.isSet('print-config')) {
      const { printConfig } = await import('../commands/printConfig.ts');
      return printConfig(command.groups, flags, (await command.settings?.(flags, args[0])) ?? {});
    }
    return await command.run(flags, args[0], args[1]);
  } catch (error) {
    await tellPeers(error);
    const event = errorEvent(error);
    if (isJson) jsonSink().take(event);
    warn(`syncbn: ${event.message}`);
    if (isDebug) screen.warnWhole(inspect(error));
    return exitCodeOf(error);
  }
}

interface Parsed {
  readonly command: CommandText | undefined;
  readonly args: readonly string[];
  readonly options: RawFlags;
}

function parse(words: readonly string[]): Parsed {
  const cli = cac('syncbn');
  cli.option('-h, --help', '').option('-v, --version', '');
  for (const command of commands) {
    const parsed = cli.command(usageOf(command), command.text).action(() => {});
    for (const { usage, text } of flagsOf(command.groups)) parsed.option(usage, text);
  }
  const { args, options } = cli.parse([...words], { run: false });
  const { '--': rest = [], ...raw } = options as { readonly '--'?: readonly string[] };
  const command = commands.find(({ name }) => name === cli.matchedCommandName);
  return { command, args: [...args, ...rest], options: withoutNegation(raw) };
}

function showVersion(): number {
  const { platform, arch, version } = process;
  say(`syncbn/${packageVersion()} ${platform}-${arch} node-${version}`);
  return 0;
}

function showHelp(command: CommandText | undefined, args: readonly string[]): number {
  if (command === undefined && args[0] !== undefined) throw unknownCommand(args[0]);
  const { columns } = screen;
  say(command === undefined ? mainPage(columns) : commandPage(command, columns));
  return 0;
}

function withoutCommand(typed: string | undefined): number {
  if (typed !== undefined) throw unknownCommand(typed);
  say(welcome(screen.columns));
  return EXIT_USAGE;
}

function unknownCommand(typed: string): UsageError {
  const names = commands.map(({ name }) => name);
  const nearest = nearestWord(typed, names);
  return new UsageError({
    what: 'syncbn',
    problem: `has no command ${typed}`,
    hint: nearest === undefined ? 'syncbn --help, which lists the commands' : `syncbn ${nearest}`,
  });
}

/** The flags, with those from a settings file if there is one. */
async function withSettings(command: CommandText, flags: Flags): Promise<Flags> {
  const path = flags.text('config');
  if (path === undefined) return flags.withDefaults({});
  const { readConfig } = await import('../settings/configFile.ts');
  return flags.withDefaults(readConfig(path, command));
}

/** Refuses flags that the command does not have, and proposes the nearest. */
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
  // A flag `--no-x` makes the parser set x to true if it is not given.
  return {
    ...rest,
    ...(normDecay === false && { noNormDecay: true }),
    ...(wide === false && { noWide: true }),
  };
}
