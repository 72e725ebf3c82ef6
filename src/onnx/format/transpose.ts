// Permutes the axes of a tensor.

import { type Shape, sizeOf } from '../../base/shape.ts';

/** Values [shape[axes[0]], shape[axes[1]], ...] of a row-major tensor: axis i of the result is
 * axis axes[i] of the source. */
export function transposed<Values extends Float32Array | Float64Array>(
  values: Values,
  shape: Shape,
  axes: readonly number[],
): Values {
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const result = values.slice() as Values;
  const sizes = axes.map((axis) => shape[axis]!);
  const steps = axes.map((axis) => strides[axis]!);
  const place = new Array<number>(axes.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from]!;
    for (let i = axes.length - 1; i >= 0; i--) {
      place[i]!++;
      from += steps[i]!;
      if (place[i]! < sizes[i]!) break;
      from -= sizes[i]! * steps[i]!;
      place[i] = 0;
    }
  }
  return result;
}
