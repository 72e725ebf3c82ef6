// The file of `--log`: one JSON object for each event, or, if its name ends in .csv, one row for
// each event with numbers. Lines are appended, and wait while a disk is full.

import { extname } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import type { RunEvent, Sink } from './events.ts';
import { IncompleteOutput, LineFile, openLines } from './lineFile.ts';

/** How events become lines. */
interface LogFormat {
  /** The first line of the file; undefined for none. */
  readonly header: string | undefined;
  /** Undefined for an event without a line. */
  lineOf(event: RunEvent): string | undefined;
  /** The line that marks missing lines. */
  gapLine(lines: number): string;
}

const jsonLines: LogFormat = {
  header: undefined,
  lineOf: timed,
  gapLine: (lines) => timed({ event: 'gap', lines }),
};

function timed(event: object): string {
  return JSON.stringify({ time: now(), ...event });
}

function now(): string {
  return new Date().toISOString();
}

/** The columns of a .csv file, the same for every run. */
const COLUMNS = [
  ...['time', 'event', 'epoch', 'step', 'loss', 'totalLoss', 'accuracy', 'learningRate'],
  ...['imagesPerSecond', 'seconds', 'validationLoss', 'validationTotalLoss'],
  ...['validationAccuracy', 'validationMeanIou', 'testLoss', 'testAccuracy', 'testMeanIou'],
  ...['averageLoss', 'averageAccuracy', 'averageMeanIou'],
] as const;
type Row = { readonly [Column in (typeof COLUMNS)[number]]?: number | string | null | undefined };

const csv: LogFormat = {
  header: COLUMNS.join(','),
  lineOf(event) {
    switch (event.event) {
      case 'progress':
      case 'epoch':
      case 'stopped': {
        const { validation } = event;
        return rowLine({
          ...event,
          validationLoss: validation?.loss,
          validationTotalLoss: validation?.totalLoss,
          validationAccuracy: validation?.accuracy,
          validationMeanIou: validation?.meanIou,
        });
      }
      case 'done':
        return rowLine(event);
      default:
        return undefined;
    }
  },
  gapLine: (lines) => rowLine({ event: `gap of ${lines}` }),
};

/** Unknown values are empty cells. All cells are numbers or plain words, so none needs quotes. */
function rowLine(row: Row): string {
  const timedRow: Row = { time: now(), ...row };
  return COLUMNS.map((column) => timedRow[column] ?? '').join(',');
}

/** Appends events to a file. While a disk is full, they wait, and `onTrouble` is called. Throws a
 * UsageError if the file cannot be opened, or is a .csv file with other columns. */
export function logSink(path: string, onTrouble: (message: string) => void): Sink {
  const format = extname(path).toLowerCase() === '.csv' ? csv : jsonLines;
  const { fd, firstLine, close } = openLines(path, `--log ${path}`);
  const { header } = format;
  if (header !== undefined && firstLine !== undefined && firstLine !== header) {
    close();
    throw new UsageError({
      what: `--log ${path}`,
      problem: 'has other columns',
      hint: 'a new file, or one that --log has written',
    });
  }
  const file = new LineFile({
    fd,
    onTrouble: (reason) =>
      onTrouble(
        `--log ${path} cannot be written (${reason}); the run continues, and its lines wait.`,
      ),
    gapLine: format.gapLine,
  });
  if (header !== undefined && firstLine === undefined) file.write(header);
  return {
    take(event) {
      const line = format.lineOf(event);
      if (line !== undefined) file.write(line);
    },
    close() {
      const missing = file.end();
      close();
      if (missing > 0) throw new IncompleteOutput(`--log ${path} misses ${missing} lines.`);
    },
  };
}
