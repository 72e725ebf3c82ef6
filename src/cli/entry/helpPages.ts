// The help as text of a given width: for the whole program, for one command, and for a call without
// arguments.

import { wrapped } from '../output/wrap.ts';
import { type FlagText, flagOf } from '../settings/flagText.ts';
import { type CommandText, type Example, sections } from './commands.ts';
import { TOPICS } from './helpWords.ts';

/** Longer names get a line of their own. */
const WIDEST_NAME = 29;
const ABOUT =
  'Trains neural networks on all cores, with batch norm that is exact over the whole batch.';

/** Shown if the command is called without arguments. */
export function welcome(columns: number): string {
  const starts: readonly Example[] = [
    ['train --data synthetic', 'train a small network, in seconds'],
    ['doctor --env', 'check this machine'],
    ['help own-data', 'train on your own data'],
    ['--help', 'all commands'],
  ];
  const lines = starts.map(([line, what]) => [`syncbn ${line}`, what] as const);
  return wrapped([ABOUT, '', 'Start here:', ...rows(lines, widest(lines))].join('\n'), columns);
}

/** `syncbn --help`. */
export function mainPage(columns: number): string {
  const lines = (commands: readonly CommandText[]) =>
    commands.map((command) => [usageOf(command), command.text] as const);
  const width = widest(sections.flatMap(({ commands }) => lines(commands)));
  const lists = sections.flatMap(({ heading, commands }) => [
    '',
    `${heading}:`,
    ...rows(lines(commands), width),
  ]);
  const more = [
    '',
    'Flags:',
    ...rows(
      [
        ['-h, --help', 'Help: with a command, its flags and examples'],
        ['-v, --version', 'Version of syncbn and Node'],
      ],
      width,
    ),
    '',
    'Examples:',
    ...exampleLines([
      ['train --data synthetic --epochs 2', ''],
      ['train --help', ''],
      ['help topics', ''],
    ]),
  ];
  return wrapped(
    ['Usage: syncbn <command> [flags]', '', ABOUT, ...lists, ...more].join('\n'),
    columns,
  );
}

/** `syncbn COMMAND --help`. */
export function commandPage(command: CommandText, columns: number): string {
  const width = widest(command.groups.flatMap(({ flags }) => flags.map(flagRow)));
  const groups = command.groups.flatMap(({ heading, flags }) => [
    '',
    `${heading}:`,
    ...rows(flags.map(flagRow), width),
  ]);
  const lines = [
    `Usage: syncbn ${usageOf(command)} [flags]`,
    '',
    `${command.text}.`,
    ...groups,
    '',
    'Examples:',
    ...exampleLines(command.examples),
  ];
  return wrapped(lines.join('\n'), columns);
}

/** `syncbn help topics`. */
export function topicList(columns: number): string {
  const lines = [
    'Topics, each a page of syncbn help <topic>:',
    '',
    ...rows(Object.entries(TOPICS), widest(Object.entries(TOPICS))),
    '',
    'syncbn help <command> is the same as syncbn <command> --help.',
  ];
  return wrapped(lines.join('\n'), columns);
}

/** The name of a command and its arguments. */
export function usageOf({ name, arguments: names }: CommandText): string {
  return [name, ...names.map((argument) => `[${argument.name}]`)].join(' ');
}

function flagRow(flag: FlagText): Row {
  const { usage, text } = flagOf(flag);
  return [usage, text];
}

type Row = readonly [name: string, text: string];

/** The width of the column of names. */
function widest(rows: readonly Row[]): number {
  return Math.max(0, ...rows.map(([name]) => name.length).filter((n) => n <= WIDEST_NAME));
}

/** Names, with texts in a second column. */
function rows(all: readonly Row[], width: number): readonly string[] {
  return all.flatMap(([name, text]) => {
    if (name.length <= width) return [`  ${name.padEnd(width)}  ${text}`];
    return [`  ${name}`, `  ${' '.repeat(width)}  ${text}`];
  });
}

/** Command lines, each with its description below. */
function exampleLines(examples: readonly Example[]): readonly string[] {
  return examples.flatMap(([line, what]) => {
    const command = `  syncbn ${line}`;
    return what === '' ? [command] : [command, `      ${what}`];
  });
}
