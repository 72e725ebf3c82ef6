// Shapes: plain lists of sizes, channels last, without the sample axis. An image is
// [height, width, channels], a feature vector [features]. While a model is being built its input
// may be unknown: an unknown size is NaN and matches every size.

/** Sizes of one sample, outermost first, channels last; the sample axis is not part of it. */
export type Shape = readonly number[];

/** The number of elements of a tensor with this shape (1 for a scalar). */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** The text form used in messages: `28x28x1`, unknown sizes as `?`. */
export function showShape(shape: Shape): string {
  if (shape.length === 0) return 'scalar';
  return shape.map((size) => (Number.isNaN(size) ? '?' : size)).join('x');
}

/** Whether two sizes differ. An unknown size matches every size. */
export function sizesDiffer(a: number, b: number): boolean {
  return !(a === b || Number.isNaN(a) || Number.isNaN(b));
}

/** Whether two shapes differ in rank or in a known size. */
export function shapesDiffer(a: Shape, b: Shape): boolean {
  return a.length !== b.length || a.some((size, i) => sizesDiffer(size, b[i]!));
}

/** The size of the last axis. */
export function channelsOf(shape: Shape): number {
  return shape[shape.length - 1] ?? 1;
}
