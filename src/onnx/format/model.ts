// An ONNX model as plain data, between file bytes and the nets that are exported to it and imported
// from it.

import type { Shape } from '../../base/shape.ts';

/** Element types, by ONNX's numbers for them. */
export const ELEMENT_TYPES = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  bfloat16: 16,
} as const;
export type OnnxType = keyof typeof ELEMENT_TYPES;

/** A constant. Floats of at most 32 bits are stored as float32, everything else as float64, so
 * integers beyond 2^53 are rounded. */
export interface OnnxTensor {
  readonly type: OnnxType;
  /** Outermost axis first; empty for a scalar. */
  readonly shape: Shape;
  readonly values: Float32Array | Float64Array;
}

/** An attribute of a node. */
export type OnnxAttribute =
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'tensor'; readonly value: OnnxTensor };

export type OnnxAttributes = Readonly<Record<string, OnnxAttribute>>;

/** An operation. An empty name stands for an omitted input or output. */
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: OnnxAttributes;
}

/** An input or output of a graph. Free axes are names, unknown ones undefined. Without `shape`, the
 * number of axes is unknown, too. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string | undefined)[] | undefined;
}

export interface OnnxModel {
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  readonly producer: { readonly name: string; readonly version: string };
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  /** Without the constants. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

export const int = (value: number): OnnxAttribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): OnnxAttribute => ({ type: 'ints', value });
export const float = (value: number): OnnxAttribute => ({ type: 'float', value });
export const text = (value: string): OnnxAttribute => ({ type: 'string', value });
