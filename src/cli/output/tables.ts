// Tables that fit: cells are made safe, and columns that are too wide for the terminal are wrapped,
// the widest first.

import { stripVTControlCharacters } from 'node:util';
import type { Table } from 'console-table-printer';
import { ownRequire } from '../../base/ownFile.ts';
import { type Screen, screen } from './screen.ts';
import { oneLine, shown } from './text.ts';

/** Columns are not wrapped to less. */
const MIN_WIDTH = 8;
/** A border, and a space on both sides of each cell. */
const FRAME = 3;

let loaded: typeof Table | undefined;

/** Loads the table drawing code, which most commands need at their end. A run of hours loads it at
 * its start, since another version may be installed by the end. */
export function loadTables(): typeof Table {
  const load = ownRequire() as (name: string) => { readonly Table: typeof Table };
  loaded ??= load('console-table-printer').Table;
  return loaded;
}

/** A table with columns in the order of the first row. */
export function printTable(
  rows: readonly Readonly<Record<string, string>>[],
  to: Screen = screen,
): void {
  const titles = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => titles.map((title) => row[title] ?? ''));
  printRows(titles, cells, to);
}

/** A table of cells, with columns in the order of their titles, even if those are numbers. */
export function printRows(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  to: Screen = screen,
): void {
  const safe = (cell: string | number): string => shown(oneLine(`${cell}`), to.isColored);
  const heads = titles.map(safe);
  const cells = rows.map((row) => row.map(safe));
  if (!to.drawsTables) {
    to.sayShown(plainRows(heads, cells));
    return;
  }
  const widths = fitWidths(
    heads.map((head, i) => Math.max(...[head, ...cells.map((row) => row[i] ?? '')].map(widthOf))),
    to.columns,
  );
  const DrawnTable = loadTables();
  const table = new DrawnTable({
    shouldDisableColors: true,
    defaultColumnOptions: { alignment: 'left' },
    columns: heads.map((head, i) => ({
      name: `column ${i}`,
      title: breakWords(head, widths[i]!),
      maxLen: widths[i]!,
    })),
  });
  for (const row of cells) {
    const entries = row.map((cell, i) => [`column ${i}`, breakWords(cell, widths[i]!)]);
    table.addRow(Object.fromEntries(entries));
  }
  to.sayShown(table.render());
}

/** One line per row: `label: value` for two columns, otherwise each value after its title. */
function plainRows(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows
    .map((cells) => {
      if (heads.length === 2) return `${cells[0]}: ${cells[1]}`;
      const named = cells.map((cell, i) => (cell === '' ? '' : `${heads[i]} ${cell}`.trim()));
      return named.filter((text) => text !== '').join('; ');
    })
    .join('\n');
}

/** The widths of columns that fit into a line: the widest shrinks first. */
export function fitWidths(wanted: readonly number[], columns: number): readonly number[] {
  const widths = [...wanted];
  const room = columns - FRAME * widths.length - 1;
  for (let excess = widths.reduce((a, b) => a + b, 0) - room; excess > 0; excess--) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= MIN_WIDTH) break;
    widths[widest]!--;
  }
  return widths;
}

/** Splits words that are longer than a column, since the table wraps only between words. */
export function breakWords(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return text
    .split(' ')
    .flatMap((word) => (widthOf(word) <= width ? [word] : piecesOf(word, width)))
    .join(' ');
}

/** Splits after a point, comma, bracket or slash if the second half has one. */
function piecesOf(word: string, width: number): string[] {
  const pieces: string[] = [];
  let rest = word;
  while (rest.length > width) {
    const head = rest.slice(0, width);
    const mark = Math.max(...['.', ',', '/', ')', '-', ';'].map((char) => head.lastIndexOf(char)));
    const at = mark + 1 > width / 2 ? mark + 1 : width;
    pieces.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  return rest === '' ? pieces : [...pieces, rest];
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}
