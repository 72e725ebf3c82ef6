// Makes a dataset from a program's arrays: typed arrays, or plain ones with any nesting, which
// gives the shapes. Numbers have the same meaning as in npy files (parts.ts).

import { UsageError } from '../base/errors.ts';
import { NO_CLASS } from '../base/noClass.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { showValue } from '../base/show.ts';
import { anything, flag, listOf, positive, text, wholeNumber } from '../base/values.ts';
import type { Dataset } from './dataset.ts';
import { countHeldOut } from './heldOut.ts';
import { checkAlike, datasetOf, type Part, splitPart, takeRows } from './parts.ts';

/** A typed array of numbers. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

/** Numbers: a typed array, or plain arrays of numbers, of typed arrays, or of such arrays. */
export type NestedNumbers = NumberArray | readonly number[] | readonly NestedNumbers[];

/** The options of {@link fromArrays}. */
export interface ArraysOptions {
  /** One row per sample, [N, F], [N, H, W] (one channel) or [N, H, W, C], channels last; or flat,
   * sample after sample. Bytes (Uint8Array) stay bytes, which normalization treats as byte / 255;
   * everything else becomes float32. */
  readonly inputs: NestedNumbers;
  /** One target per sample. Classes: integers from 0 in plain arrays or integer arrays, or one-hot
   * rows; with `classes`, also masks [N, H, W], a class per pixel, -100 for none. Regression:
   * everything else, including every Float32Array or Float64Array; [N] or [N, D], standardized. */
  readonly targets: NestedNumbers;
  /** Shape of one sample, for flat inputs. Default: from the nesting; for flat inputs, [length /
   * N]. */
  readonly inputShape?: Shape;
  /** Number of classes; targets of any type are then classes. Default: the largest target + 1. */
  readonly classes?: number;
  /** Test samples, in the same form as `inputs`. Default: no test samples. */
  readonly testInputs?: NestedNumbers;
  /** The targets of `testInputs`. Needed with these; default none. */
  readonly testTargets?: NestedNumbers;
  /** Used in place of these: a fraction (below 1) or a count of the samples, drawn by `seed`,
   * stratified by class. Default: no test samples. */
  readonly testSplit?: number;
  /** Seed of `testSplit`; default 1. */
  readonly seed?: number;
  /** Whether to standardize regression targets, like inputs. Default true. */
  readonly standardizeTargets?: boolean;
  /** Name for display; default `arrays`. */
  readonly name?: string;
}

/** Volumes have four axes, plus the sample axis. */
const MOST_AXES = 5;

const numbers = anything<NestedNumbers>('a list or typed array of numbers, one entry a sample');
const schema = optionsSchema<ArraysOptions>()({
  inputs: numbers,
  targets: numbers,
  inputShape: listOf<number>('a list of whole numbers above 0', (size) => {
    return Number.isInteger(size) && (size as number) > 0;
  }).exactOptional(),
  classes: wholeNumber(1).exactOptional(),
  testInputs: numbers.exactOptional(),
  testTargets: numbers.exactOptional(),
  testSplit: positive.exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  standardizeTargets: flag.exactOptional(),
  name: text.exactOptional(),
});

/** A dataset from arrays; its statistics are those of the training samples, per channel. Throws a
 * {@link UsageError} that names what does not fit.
 *
 * @example
 * fromArrays({ inputs: [[0, 1], [1, 0], [1, 1], [0, 0]], targets: [1, 1, 0, 0] })
 */
export function fromArrays(options: ArraysOptions): Dataset {
  const example = 'fromArrays({ inputs: [[0, 1], [1, 0]], targets: [1, 0] })';
  const given = parseOptions('fromArrays', schema, options, { example });
  const { testInputs, testTargets, testSplit, classes, name = 'arrays' } = given;
  if ((testInputs === undefined) !== (testTargets === undefined)) {
    const problem = 'needs testInputs and testTargets, or neither';
    throw new UsageError({ what: 'fromArrays', problem });
  }
  if (testSplit !== undefined && testInputs !== undefined) {
    const problem = 'takes testSplit or test samples, not both';
    throw new UsageError({ what: 'fromArrays', problem });
  }
  const whole = partOf(['inputs', 'targets'], given.inputs, given.targets, given);
  const isClass = whole.targets instanceof Int32Array;
  const parts =
    testSplit !== undefined
      ? splitPart(whole, countHeldOut('testSplit of fromArrays', whole.count, testSplit), given)
      : {
          train: whole,
          test:
            testInputs === undefined
              ? takeRows(whole, new Int32Array())
              : partOf(['testInputs', 'testTargets'], testInputs, testTargets!, {
                  ...given,
                  isClass,
                }),
        };
  checkAlike(parts.train, parts.test, {
    inputs: { train: 'inputs', test: 'testInputs', where: ' of fromArrays' },
    targets: { train: 'targets', test: 'testTargets', where: ' of fromArrays' },
  });
  const dataset = datasetOf(name, parts.train, parts.test, given.standardizeTargets ?? true);
  const { task } = dataset;
  if (classes === undefined) return dataset;
  const isKnown = task.kind !== 'regression';
  if (isKnown && task.classes <= classes) return { ...dataset, task: { ...task, classes } };
  throw new UsageError({
    what: 'targets of fromArrays',
    given: isKnown ? `class ${task.classes - 1}` : 'rows that are not one-hot',
    allowed: `0 to ${classes - 1}, for ${classes} classes`,
  });
}

/** Values in one array, and the lengths of the nesting. */
interface Flat {
  readonly shape: readonly number[];
  readonly values: Uint8Array | Float32Array | Float64Array;
  /** Whether they are integers from 0, in arrays that may hold other numbers. */
  readonly areWhole: boolean;
}

function partOf(
  names: readonly [inputs: string, targets: string],
  givenInputs: NestedNumbers,
  givenTargets: NestedNumbers,
  options: Pick<ArraysOptions, 'inputShape' | 'classes'> & {
    /** Whether targets are classes; default: judged by their values. */
    readonly isClass?: boolean;
  },
): Part {
  const { inputShape, classes } = options;
  const [inputsName, targetsName] = names.map((name) => `${name} of fromArrays`);
  const inputs = flatOf(inputsName!, givenInputs);
  const targets = flatOf(targetsName!, givenTargets);
  // Flat inputs without a shape are split into as many samples as there are targets.
  const rest = inputs.shape.slice(1);
  const nested = rest.length === 2 ? [...rest, 1] : rest;
  const perSample = inputShape ?? (rest.length > 0 ? nested : undefined);
  const count =
    perSample === undefined ? targets.shape[0]! : inputs.values.length / sizeOf(perSample);
  if (!Number.isInteger(count) || count === 0) {
    const allowed = `at least one sample of ${showShape(perSample ?? [1])}`;
    throw new UsageError({ what: inputsName!, given: `${inputs.values.length} values`, allowed });
  }
  const shape = perSample ?? [inputs.values.length / count];
  const width = targets.values.length / count;
  const hasRows = [inputs, targets].every(
    (flat) => flat.shape.length < 2 || flat.shape[0] === count,
  );
  const isWidth = Number.isInteger(width) && width > 0;
  if (!hasRows || !isWidth || !shape.every(Number.isInteger)) {
    throw new UsageError({
      what: `${targetsName}`,
      given: `${targets.shape[0]} targets for ${inputs.values.length} input values`,
      allowed: perSample === undefined ? 'as many values for each' : `one for each of ${count}`,
      hint: 'inputShape, if inputs are flat',
    });
  }
  const isMask = classes !== undefined && targets.shape.length === 3;
  const isClass =
    options.isClass ?? (isMask || (width === 1 && (targets.areWhole || classes !== undefined)));
  const kept = isClass ? classesOf(targetsName!, targets.values, isMask) : floatsOf(targets.values);
  const targetShape = isMask ? targets.shape.slice(1) : [width];
  return { count, inputShape: shape, targetShape, inputs: inputs.values, targets: kept };
}

/** All numbers of a nesting. Throws a {@link UsageError} if it is ragged or has other values. */
function flatOf(what: string, given: NestedNumbers): Flat {
  const shape: number[] = [];
  let first: unknown = given;
  for (; Array.isArray(first) && shape.length < MOST_AXES; first = first[0]) {
    shape.push(first.length);
  }
  if (isNumbers(first)) shape.push(first.length);
  const leaves: NumberArray[] = [];
  gather(what, given, shape, leaves);
  const length = shape.reduce((product, size) => product * size, shape.length > 0 ? 1 : 0);
  const isAll = (kind: (leaf: NumberArray) => boolean): boolean => leaves.every(kind);
  const isBytes = isAll((leaf) => leaf instanceof Uint8Array || leaf instanceof Uint8ClampedArray);
  const Kept = isBytes ? Uint8Array : isAll(isFloat32) ? Float32Array : Float64Array;
  const values = new Kept(length);
  let at = 0;
  for (const leaf of leaves) {
    values.set(leaf, at);
    at += leaf.length;
  }
  const isTyped = isNumbers(first);
  const saysFloat = isTyped && (first instanceof Float32Array || first instanceof Float64Array);
  return { shape, values, areWhole: !saysFloat && values.every((value) => isWhole(value)) };
}

/** Collects the rows of numbers from a nesting of this shape. */
function gather(
  what: string,
  given: unknown,
  shape: readonly number[],
  leaves: NumberArray[],
  path = '',
): void {
  const [length, ...rest] = shape;
  const isRow = Array.isArray(given) || isNumbers(given);
  if (!isRow || given.length !== length) {
    throw new UsageError({
      what: `${what}${path}`,
      given: isRow ? `${given.length} values` : showValue(given),
      allowed: length === undefined ? 'arrays of numbers' : `${length} values, like the first`,
    });
  }
  if (isNumbers(given)) {
    leaves.push(given);
    return;
  }
  if (rest.length > 0) {
    for (const [i, row] of given.entries()) gather(what, row, rest, leaves, `${path}[${i}]`);
    return;
  }
  const wrong = Array.from(given as readonly unknown[]).findIndex((v) => typeof v !== 'number');
  if (wrong < 0) {
    leaves.push(Float64Array.from(given as readonly number[]));
    return;
  }
  const shown = showValue(given[wrong]);
  throw new UsageError({ what: `${what}${path}[${wrong}]`, given: shown, allowed: 'a number' });
}

function isNumbers(given: unknown): given is NumberArray {
  return (
    ArrayBuffer.isView(given) &&
    !(given instanceof DataView) &&
    !(given instanceof BigInt64Array) &&
    !(given instanceof BigUint64Array)
  );
}

function isFloat32(leaf: NumberArray): boolean {
  return leaf instanceof Float32Array;
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

/** Masks may have pixels without a class. */
function classesOf(what: string, values: Flat['values'], isMask: boolean): Int32Array {
  const wrong = values.findIndex((value) => !isWhole(value) && !(isMask && value === NO_CLASS));
  if (wrong < 0) return Int32Array.from(values);
  throw new UsageError({ what: `${what}[${wrong}]`, given: values[wrong], allowed: 'a class' });
}

function floatsOf(values: Flat['values']): Float32Array | Float64Array {
  return values instanceof Uint8Array ? Float32Array.from(values) : values;
}
