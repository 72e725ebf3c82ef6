// Makes docs/commands.md from the tables of commands and flags. scripts/commands-page.mjs writes
// it.

import { type CommandText, sections } from './commands.ts';
import { usageOf } from './helpPages.ts';
import { TOPICS } from './helpWords.ts';

/** The page in Markdown. */
export function commandsPage(): string {
  const lists = sections.flatMap(({ heading, commands }) => [
    `**${heading}:** ${commands.map(({ name }) => `[${name}](#${name})`).join(', ')}`,
    '',
  ]);
  const topics = Object.keys(TOPICS).map((topic) => `\`${topic}\``);
  const lines = [
    '# Commands',
    '',
    'All commands of `syncbn` with their flags and examples, as `syncbn COMMAND --help` shows',
    'them. This page is generated from the table of flags; `npm run docs:commands` writes it.',
    '',
    ...lists,
    `\`syncbn help TOPIC\` has a short page on each of ${topics.join(', ')}.`,
    ...sections.flatMap(({ commands }) => commands.flatMap(commandLines)),
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines(command: CommandText): readonly string[] {
  const groups = command.groups.flatMap(({ heading, flags }) => [
    '',
    `**${heading}**`,
    '',
    ...flags.map(([usage, text]) => `- \`${usage}\`: ${escaped(text)}`),
  ]);
  const width = Math.max(...command.examples.map(([line]) => line.length));
  return [
    '',
    `## ${command.name}`,
    '',
    `${command.text}.`,
    '',
    '```text',
    `syncbn ${usageOf(command)} [flags]`,
    '```',
    ...groups,
    '',
    '**Examples**',
    '',
    '```sh',
    ...command.examples.map(([line, what]) => `npx syncbn ${line.padEnd(width)}   # ${what}`),
    '```',
  ];
}

/** Escapes Markdown's special characters. */
function escaped(text: string): string {
  return text.replace(/[*_<>[\]]/g, (sign) => `\\${sign}`);
}
