// What every benchmark does with its results at the end.

import { type Machine, showMachine } from './machine.ts';
import { saveResults } from './results.ts';
import { type Cell, renderTable } from './table.ts';

export interface OutputFlags {
  readonly json?: boolean;
  readonly save?: boolean;
  readonly smoke?: boolean;
}

/** A table row, by column name. */
export type Row = Readonly<Record<string, Cell>>;

/** Prints the tables, unless JSON lines were requested, and saves the results if requested. */
export function finish(run: {
  readonly name: string;
  readonly flags: OutputFlags;
  readonly machine: Machine;
  readonly rows: readonly Row[];
  /** More tables, with other columns. */
  readonly more?: readonly (readonly Row[])[];
  readonly results: readonly object[];
}): void {
  const { name, flags, machine, rows, more = [], results } = run;
  if (!flags.json) {
    for (const table of [rows, ...more]) console.log(renderTable(table));
    console.log(showMachine(machine));
  }
  if (flags.save) console.error(`Saved to ${saveResults(name, results, machine)}.`);
}
