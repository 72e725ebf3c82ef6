// Datasets of tables: one file, or train.csv and test.csv in a folder.

import { basename, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset } from '../dataset.ts';
import { countHeldOut } from '../heldOut.ts';
import { checkAlike, datasetOf, type Part, splitPart, takeRows } from '../parts.ts';
import { type CsvOptions, type CsvTable, parseCsv } from './csv.ts';
import { listFolder, readDataFile } from './files.ts';

export interface CsvDatasetOptions extends CsvOptions {
  readonly standardizeTargets?: boolean;
  /** Whether integer targets are numbers to predict rather than classes. */
  readonly regression?: boolean;
  /** A fraction (below 1) or count of the samples to test with, if there are no others. */
  readonly testSplit?: number;
}

const TRAIN = 'train.csv';
const TEST = 'test.csv';
const MAX_INT32 = 2 ** 31 - 1;

/** Reads a table, or a folder with train.csv and optionally test.csv. Inputs are the numbers of all
 * columns except the target, [columns], in float32. Text targets are classes, in name order.
 * Integers from 0 are classes, too, unless `regression` is set. All others are a regression. Throws
 * UsageErrors. */
export async function readCsvDataset(
  path: string,
  options: CsvDatasetOptions = {},
): Promise<Dataset> {
  const isFile = /\.[ct]sv$/i.test(path);
  const trainFile = isFile ? path : join(path, TRAIN);
  const trained = parseCsv(await readDataFile(trainFile, () => undefined), trainFile, options);
  const hasTest = !isFile && (await listFolder(path)).includes(TEST);
  const testFile = join(path, TEST);
  const { columns, target } = trained;
  const tested = hasTest
    ? parseCsv(await readDataFile(testFile, () => undefined), testFile, {
        ...options,
        columns,
        target,
      })
    : undefined;
  const name = isFile ? basename(path).replace(/\.[ct]sv$/i, '') : basename(resolve(path));
  if (tested !== undefined && options.testSplit !== undefined) {
    const problem = `cannot be combined with ${TEST} in ${path}`;
    throw new UsageError({ what: 'testSplit', problem, hint: 'leaving it out' });
  }
  const classNames = classNamesOf(trained, tested, trainFile, options);
  const whole = partOf(trained, classNames, options);
  const { train, test } =
    options.testSplit === undefined
      ? {
          train: whole,
          test:
            tested === undefined
              ? takeRows(whole, new Int32Array())
              : partOf(tested, classNames, options),
        }
      : splitPart(whole, countHeldOut('testSplit', whole.count, options.testSplit), {});
  const files = { train: TRAIN, test: TEST, where: ` in ${path}` };
  checkAlike(train, test, { inputs: files, targets: files });
  const dataset = datasetOf(name, train, test, options.standardizeTargets ?? true);
  if (classNames === undefined) return dataset;
  const task = { kind: 'classification', classes: classNames.length } as const;
  return checkDataset({ ...dataset, task, classNames });
}

/** Whether the names in a folder are for {@link readCsvDataset}. */
export function looksLikeCsv(names: readonly string[]): boolean {
  return names.includes(TRAIN);
}

/** The class names of both tables, sorted; undefined if targets are numbers. */
function classNamesOf(
  trained: CsvTable,
  tested: CsvTable | undefined,
  file: string,
  { regression }: CsvDatasetOptions,
): readonly string[] | undefined {
  const tables = tested === undefined ? [trained] : [trained, tested];
  if (tables.every(({ targets }) => targets.numbers !== undefined)) return undefined;
  const texts = tables.map(({ targets }) => targets.texts);
  const what = `column ${JSON.stringify(trained.target)} of ${file}`;
  if (regression === true) {
    throw new UsageError({ what, given: 'text', allowed: 'numbers for a regression' });
  }
  if (texts.includes(undefined)) {
    throw new UsageError({ what, given: 'too many different texts', allowed: 'classes' });
  }
  return [...new Set(texts.flatMap((found) => found ?? []))].sort();
}

function partOf(
  { count, columns, inputs, targets }: CsvTable,
  classNames: readonly string[] | undefined,
  { regression }: CsvDatasetOptions,
): Part {
  const shapes = { inputShape: [columns.length], targetShape: [1] };
  return { count, ...shapes, inputs, targets: targetsOf(targets, classNames, regression === true) };
}

function targetsOf(
  { numbers, texts, codes }: CsvTable['targets'],
  classNames: readonly string[] | undefined,
  isRegression: boolean,
): Part['targets'] {
  if (classNames !== undefined) {
    const places = new Map(classNames.map((name, i) => [name, i]));
    const classes = texts!.map((text) => places.get(text)!);
    return codes.map((code) => classes[code]!);
  }
  const values = numbers!;
  const areClasses = !isRegression && values.every(isClass);
  return areClasses ? Int32Array.from(values) : values;
}

function isClass(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_INT32;
}
