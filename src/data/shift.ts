// Inputs that float32 cannot represent: a column such as 1.7e9 + i differs only in digits that
// float32 drops. Such columns are stored as differences from a shift, computed in float64 before
// rounding; other columns are rounded directly.

import type { Dataset } from './dataset.ts';
import { floatStatistics, isConstant } from './statistics.ts';

/** A mean above this many standard deviations takes more than 14 of float32's 24 bits. Rounding
 * then moves values by more than a thousandth of a deviation. */
const MOST_DEVIATIONS = 2 ** 14;

/** Whether rounding a column with these statistics to float32 loses too much precision. */
export function outgrowsFloat32(mean: number, std: number): boolean {
  return Math.abs(mean) > std * MOST_DEVIATIONS;
}

/** What to subtract from each channel before rounding, 0 for none; undefined if no channel needs a
 * shift. Constant channels do not. */
export function shiftFor(values: Float64Array, channels: number): readonly number[] | undefined {
  const { mean, std } = floatStatistics(values, channels);
  const shift = mean.map((value, c) => {
    const isOut = outgrowsFloat32(value, std[c]!) && !isConstant(values, channels, c);
    return isOut ? value : 0;
  });
  return shift.some((value) => value !== 0) ? shift : undefined;
}

/** Values minus the shift of their channel (last axis), in float64, rounded once. */
export function subtractShift(
  values: Float32Array | Float64Array,
  shift: readonly number[],
): Float32Array {
  const channels = shift.length;
  return Float32Array.from(values, (value, i) => value - shift[i % channels]!);
}

/** Converts inputs from the data's own units to the form that a run stores. */
export function storedInputs(
  { shift }: Pick<Dataset, 'shift'>,
  inputs: Uint8Array | Float32Array | Float64Array,
): Uint8Array | Float32Array {
  if (inputs instanceof Float64Array) return subtractShift(inputs, shift ?? [0]);
  return inputs;
}
