// The command lines on pages have commands, flags and values that exist. Nothing is run.

import { describe, expect, it } from 'vitest';
import { checkedFlags, parseCommandLine } from '../../src/cli/entry/commandLine.ts';
import { configValue } from '../../src/cli/settings/configFile.ts';
import type { Flags } from '../../src/cli/settings/flags.ts';
import { type Flag, flagsOf } from '../../src/cli/settings/flagText.ts';
import { PAGES } from '../support/pages.ts';
import { type ShellLine, shellLines } from '../support/shellLines.ts';
import { textOf } from '../support/sources.ts';

/** `npx syncbn train ...` and `syncbn train`, but neither `npm install syncbn` nor a name alone. */
const COMMAND = /(?<!install)(?:^|\s)syncbn(?= (?!COMMAND|-))/;

const checked = (program: RegExp): readonly ShellLine[] =>
  PAGES.flatMap((page) => shellLines(page, program));

/** What is wrong with a command line, or undefined. */
function faultOf({ words, isQuoted }: ShellLine): string | undefined {
  try {
    const line = parseCommandLine(['node', 'syncbn', ...words.filter((word) => word !== '...')]);
    if (line.command === undefined) return `no command ${line.args[0]}`;
    const flags = checkedFlags(line.command, line);
    for (const flag of flagsOf(line.command.groups)) {
      if (flags.has(flag.name)) checkValue(flags, flag, isQuoted);
    }
    return;
  } catch (error) {
    return (error as Error).message;
  }
}

function checkValue(flags: Flags, flag: Flag, mayBeBare: boolean): void {
  const { name, kind, isOptional, isPath, words } = flag;
  if (kind === 'switch') flags.isSet(name);
  else if ((isOptional || mayBeBare) && flags.listOrAll(name) === true) return;
  else if (kind === 'text' && words.length > 0 && !isPath) flags.choice(name, words);
  else configValue(flag, flags.text(name)!);
}

describe('the command lines of pages', () => {
  it('name commands and flags that exist, with values that these take', () => {
    const lines = checked(COMMAND);
    expect(lines.length).toBeGreaterThan(200);
    const faults = lines.map((one) => `${one.page}: ${one.line}: ${faultOf(one) ?? 'fine'}`);
    expect(faults.filter((fault) => !fault.endsWith(': fine'))).toEqual([]);
  });

  it('run scripts of the package that exist', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { readonly scripts: object };
    const lines = checked(/(?:^|\s)npm run(?: --silent)?(?= )/);
    expect(lines.length).toBeGreaterThan(50);
    expect(lines.filter(({ words }) => !Object.hasOwn(scripts, words[0]!))).toEqual([]);
  });

  it.each([
    ['train --epoch 3', 'has no flag --epoch. Try: --epochs'],
    ['trian', 'no command trian'],
    ['train --epochs many', 'expected a whole number'],
    ['train --optimizer adagrad', 'expected adam, adamw'],
    ['train --epochs', 'requires a value'],
    ['train mnist', 'expected flags only'],
  ])('would fail with %s', (line, message) => {
    const fault = faultOf({ page: '', line, isQuoted: false, words: line.split(' ') });
    expect(fault).toContain(message);
  });
});
