// Specs of the joins, which make one value from several in graphs: sum, product, and concatenation
// along the last axis. models/graphBuilder.ts builds graphs.

/** The sum of two values of the same shape. */
export interface AddSpec {
  /** The kind of layer. */
  readonly kind: 'add';
}

/** The product of two values, element by element; the second one may have one element for each
 * channel of the first, as in squeeze and excitation (Hu et al. 2018). */
export interface MultiplySpec {
  /** The kind of layer. */
  readonly kind: 'multiply';
}

/** The concatenation of values along their last axis, the channels of images. */
export interface ConcatSpec {
  /** The kind of layer. */
  readonly kind: 'concat';
}

/** A join of several values of a graph. */
export type JoinSpec = AddSpec | MultiplySpec | ConcatSpec;

/** The number of values that each join takes. */
export const JOIN_INPUTS: Readonly<
  Record<JoinSpec['kind'], { readonly least: number; readonly most: number }>
> = {
  add: { least: 2, most: 2 },
  multiply: { least: 2, most: 2 },
  concat: { least: 2, most: 64 },
};

/** Whether a spec takes several values. */
export function isJoin(spec: { readonly kind: string }): spec is JoinSpec {
  return Object.hasOwn(JOIN_INPUTS, spec.kind);
}
