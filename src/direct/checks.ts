// The checks of the norms, made before any other rank is involved.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { accept } from '../base/values.ts';
import type { BackwardCotangents, NormInputs } from './types.ts';

/** The tensors that a norm accepts. */
export interface TensorRules {
  /** The norm's name in errors. */
  readonly name: string;
  /** The length of a tensor must be a multiple of this many elements; `unitName` is the name of the
   * unit. */
  readonly unit: number;
  readonly unitName: string;
  readonly parameterLength: number;
  /** The maximum number of units of a tensor if they are rows; undefined for any number. */
  readonly maxRows?: number | undefined;
}

/** Checks an input and returns its number of units. */
export function checkInput(rules: TensorRules, x: Float32Array): number {
  const { name, unit, unitName, maxRows } = rules;
  checkFloats(`the input of ${name}`, x);
  const units = x.length / unit;
  if (!Number.isInteger(units)) {
    const allowed = `a multiple of ${unit}, its ${unitName}`;
    throw new UsageError({ what: `the length of the input of ${name}`, given: x.length, allowed });
  }
  if (maxRows !== undefined && units > maxRows) {
    const allowed = `at most ${maxRows}, its maxRows`;
    throw new UsageError({ what: `the rows of the input of ${name}`, given: units, allowed });
  }
  return units;
}

/** Checks that weight and bias have one number for each channel or element, or are absent. */
export function checkParameters(rules: TensorRules, inputs: NormInputs): void {
  for (const key of ['weight', 'bias'] as const) {
    const array = inputs[key];
    if (array !== undefined)
      checkLength(`the ${key} of ${rules.name}`, array, rules.parameterLength);
  }
}

const doubles = accept<Float64Array>('a Float64Array', (array) => array instanceof Float64Array);
const cotangentsSchema = optionsSchema<BackwardCotangents>()({
  dx: accept<Float32Array>(
    'a Float32Array',
    (array) => array instanceof Float32Array,
  ).exactOptional(),
  weightGrad: doubles.exactOptional(),
  biasGrad: doubles.exactOptional(),
});

/** Checks the gradients that are passed to doubleBackward. */
export function checkCotangents(
  name: string,
  gradients: BackwardCotangents,
  { length, channels }: { readonly length: number; readonly channels: number },
): BackwardCotangents {
  const call = `doubleBackward of ${name}`;
  const example = 'bn.doubleBackward(dy, saved, { dx })';
  const given = parseOptions(call, cotangentsSchema, gradients, { example });
  const lengths = { dx: length, weightGrad: channels, biasGrad: channels };
  for (const key of ['dx', 'weightGrad', 'biasGrad'] as const) {
    const array = given[key];
    if (array !== undefined) checkCount(`${key} in ${call}`, array, lengths[key]);
  }
  return given;
}

/** Checks that a value is a Float32Array of this length. */
export function checkLength(what: string, array: Float32Array, length: number): void {
  checkFloats(what, array);
  checkCount(what, array, length);
}

function checkCount(what: string, array: Float32Array | Float64Array, length: number): void {
  if (array.length === length) return;
  throw new UsageError({
    what: `the length of ${what}`,
    given: array.length,
    allowed: `${length}`,
  });
}

/** The array for an output: a new one, or the given one, which must not overlap `kept` and may
 * coincide with `replaced`. */
export function outputFor(
  what: string,
  given: Float32Array | undefined,
  inputs: {
    readonly kept?: Float32Array;
    readonly replaced?: Float32Array;
    readonly length: number;
  },
): Float32Array {
  const { kept, replaced, length } = inputs;
  if (given === undefined) return new Float32Array(length);
  checkLength(what, given, length);
  const isTorn =
    replaced !== undefined && overlap(given, replaced) && given.byteOffset !== replaced.byteOffset;
  if (isTorn || (kept !== undefined && overlap(given, kept))) {
    const allowed = 'an array that does not overlap it';
    throw new UsageError({ what, given: 'memory of an input', allowed });
  }
  return given;
}

function checkFloats(what: string, array: unknown): void {
  if (array instanceof Float32Array) return;
  const given = Object.prototype.toString.call(array);
  throw new UsageError({ what, given, allowed: 'a Float32Array' });
}

function overlap(a: Float32Array, b: Float32Array): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}
