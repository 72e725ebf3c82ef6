// Tables for people. Numbers get three digits, which matches the precision of the measurements.

import { Table } from 'console-table-printer';

export type Cell = string | number;

const DIGITS = 3;

/** A table of the rows, with columns in the order of the first row's keys; numbers are
 * right-aligned. */
export function renderTable(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const first = rows[0];
  if (first === undefined) return 'nothing measured';
  const table = new Table({
    shouldDisableColors: true,
    columns: Object.entries(first).map(([name, cell]) => ({
      name,
      alignment: typeof cell === 'number' ? 'right' : 'left',
    })),
  });
  for (const row of rows) {
    const cells = Object.entries(row).map(([name, cell]) => [name, showCell(cell)]);
    table.addRow(Object.fromEntries(cells));
  }
  return table.render();
}

/** Integers from 100 on, three digits below. */
function showCell(cell: Cell): string {
  if (typeof cell === 'string' || Number.isInteger(cell)) return `${cell}`;
  return Math.abs(cell) >= 10 ** (DIGITS - 1) ? cell.toFixed(0) : cell.toPrecision(DIGITS);
}
