// Checks a caller's named tensor before anything is read from it.

import { isObject } from '../base/parse.ts';
import { sizeOf } from '../base/shape.ts';
import { shapeOption } from '../nn/specs/options.ts';

/** Whether it has a shape, and as many values as the shape requires. */
export function isTensor(given: unknown): boolean {
  if (!isObject(given)) return false;
  const { shape, values } = given;
  const isFloats = values instanceof Float32Array || values instanceof Float64Array;
  const parsed = shapeOption.safeParse(shape);
  return isFloats && parsed.success && sizeOf(parsed.data) === values.length;
}
