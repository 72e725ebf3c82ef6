// `--print-config`: prints the settings of a command line in the form of a settings file. Runs
// nothing.

import { prettyJson } from '../output/prettyJson.ts';
import { screen } from '../output/screen.ts';
import { type Config, configValue, NOT_IN_FILES } from '../settings/configFile.ts';
import type { Flags } from '../settings/flags.ts';
import { type FlagGroup, flagsOf } from '../settings/flagText.ts';

/** Prints a command's given settings, and those that follow from them. */
export function printConfig(groups: readonly FlagGroup[], flags: Flags, resolved: Config): number {
  const all: Config = { ...resolved, ...givenFlags(groups, flags) };
  // In the order of the help.
  const names = [...flagsOf(groups).map(({ name }) => name), ...Object.keys(all)];
  const entries = [...new Set(names)].flatMap((name) => (name in all ? [[name, all[name]]] : []));
  screen.sayShown(prettyJson(Object.fromEntries(entries)));
  return 0;
}

function givenFlags(groups: readonly FlagGroup[], flags: Flags): Config {
  const known = flagsOf(groups).filter(({ name }) => !NOT_IN_FILES.includes(name));
  return Object.fromEntries(
    known.flatMap((flag) => {
      const { name, kind, isOptional } = flag;
      if (!flags.has(name)) return [];
      const isBare = kind === 'switch' || (isOptional && flags.listOrAll(name) === true);
      const text = isBare ? flags.isSet(name) || true : flags.text(name)!;
      return [[name, configValue(flag, text)] as const];
    }),
  );
}
