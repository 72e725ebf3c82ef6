// The fields of a caller's dataset: checks that they exist and have the right types. dataset.ts
// checks whether they fit together.

import * as z from 'zod';
import { isObject, parseData } from '../base/parse.ts';
import { accept, listOf, oneOf, text, wholeNumber } from '../base/values.ts';

const isNumber = (value: unknown): boolean => typeof value === 'number';
const shape = listOf<number>('a list of whole numbers above 0', isNumber);
const numbers = listOf<number>('a list with a number for each channel', isNumber);
const split = z.looseObject(
  {
    count: wholeNumber(0),
    inputs: accept<Uint8Array | Float32Array>('a Uint8Array or Float32Array', (values) => {
      return values instanceof Uint8Array || values instanceof Float32Array;
    }),
    targets: accept<Int32Array | Float32Array>('an Int32Array or Float32Array', (values) => {
      return values instanceof Int32Array || values instanceof Float32Array;
    }),
    weights: accept<Float32Array>('a Float32Array', (values) => {
      return values instanceof Float32Array;
    }).exactOptional(),
    domains: accept<Int32Array>('an Int32Array', (values) => {
      return values instanceof Int32Array;
    }).exactOptional(),
  },
  { error: 'an object with count, inputs, targets and, if there are any, weights' },
);
const taskKind = oneOf(['classification', 'segmentation', 'regression']);
const TASKS =
  "{ kind: 'classification', classes }, { kind: 'segmentation', classes, targetShape } or " +
  "{ kind: 'regression', targetShape }";
const isUnits = (given: unknown): boolean =>
  given === undefined || numbers.safeParse(given).success;
const task = accept<object>(TASKS, (given) => {
  if (!isObject(given) || !taskKind.safeParse(given.kind).success) return false;
  if (given.kind !== 'regression' && !isNumber(given.classes)) return false;
  if (given.kind === 'classification') return true;
  return shape.safeParse(given.targetShape).success && isUnits(given.mean) && isUnits(given.std);
});

/** The fields that describe a dataset. */
export const datasetFields = {
  name: text,
  inputShape: shape,
  inputType: oneOf(['u8', 'f32']),
  task,
  classNames: z.array(z.string()).exactOptional(),
  shift: numbers.exactOptional(),
  notices: z.array(z.string()).exactOptional(),
  mean: numbers,
  std: numbers,
};

const fields = z.looseObject(
  { ...datasetFields, train: split, test: split },
  { error: "a dataset, such as await openDataset('mnist')" },
);

/** Throws a {@link UsageError} that names the first field of a dataset that is missing or of
 * another type. */
export function checkDatasetFields(dataset: unknown): void {
  parseData(fields, dataset, 'data');
}
