// Runs a command line. An unknown command is an error that proposes the nearest one. Returns the
// exit code and never ends the process itself.

import { inspect } from 'node:util';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { packageVersion } from '../../base/version.ts';
import { WIDE_VARIABLE } from '../../kernels/engine.ts';
import { jsonSink } from '../output/events.ts';
import { PLAIN_VARIABLE, say, screen, warn } from '../output/screen.ts';
import { EXIT_USAGE, errorEvent, exitCodeOf } from '../process/failure.ts';
import { beginAmongPeers, tellPeers } from '../process/peers.ts';
import type { Flags } from '../settings/flags.ts';
import { checkedFlags, parseCommandLine } from './commandLine.ts';
import { type CommandText, commands } from './commands.ts';
import { commandPage, mainPage, welcome } from './helpPages.ts';

/** Runs the command line and returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  let isJson = argv.includes('--json');
  let isDebug = argv.includes('--debug');
  try {
    // Before anything is shown, including help.
    if (argv.includes('--plain') || (process.env[PLAIN_VARIABLE] ?? '') !== '') screen.goLinear();
    const line = parseCommandLine(argv);
    const { command, args, options } = line;
    if (options.version === true) return showVersion();
    if (options.help === true) return showHelp(command, args);
    if (command === undefined) return withoutCommand(args[0]);
    beginAmongPeers(command.name, command.isShared === true);
    const flags = await withSettings(command, checkedFlags(command, line));
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
