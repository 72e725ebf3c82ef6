// What every benchmark does with its results at the end.

import { type Machine, showMachine } from './machine.ts';
import { saveResults } from './results.ts';
import { type Cell, renderTable } from './table.ts';

export interface OutputFlags {
  readonly json?: boolean;
  readonly save?: boolean;
  readonly smoke?: boolean;
}

/** Prints the table, unless JSON lines were asked for, and saves where that was asked for. */
export function finish(run: {
  readonly name: string;
  readonly flags: OutputFlags;
  readonly machine: Machine;
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  readonly results: readonly object[];
}): void {
  const { name, flags, machine, rows, results } = run;
  if (!flags.json) {
    console.log(renderTable(rows));
    console.log(showMachine(machine));
  }
  if (flags.save) console.error(`Saved to ${saveResults(name, results, machine)}.`);
}
