// ONNX files as others write them, from a short list of their nodes.

import type { Shape } from '../../../src/base/shape.ts';
import type {
  OnnxAttributes,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
} from '../../../src/onnx/format/model.ts';
import { testValues } from '../kernelFixture.ts';
import { image } from './layerCases.ts';
import { channelsFirstShape } from './runtime.ts';

/** Operators with several outputs. */
const RECURRENT = ['RNN', 'GRU', 'LSTM'];

export type Step = readonly [string, readonly string[], OnnxAttributes?];

/** A file as others write them: each step reads `x`, the one before it (`.`), constants, or what an
 * earlier step made, by its place; `v2_1` is the second output of step 2. The input has the axes of
 * samples and of a sample here in the given order, by default with the channels first. */
export function foreign(
  steps: readonly Step[],
  constants: Readonly<Record<string, OnnxTensor>>,
  {
    opset = 13,
    sample = image,
    axes,
  }: { readonly opset?: number; readonly sample?: Shape; readonly axes?: readonly number[] } = {},
): OnnxModel {
  const nodes = steps.map(([op, inputs, attributes = {}], i): OnnxNode => {
    const before = i === 0 ? 'x' : `v${i - 1}`;
    const names = inputs.map((name) => (name === '.' ? before : name));
    const more = RECURRENT.includes(op) ? [`v${i}_1`] : [];
    return { name: `node${i}`, op, inputs: names, outputs: [`v${i}`, ...more], attributes };
  });
  const outputs = [{ name: `v${steps.length - 1}`, type: 'float', shape: undefined } as const];
  const order = axes?.map((axis) => (axis === 0 ? 'n' : sample[axis - 1]));
  const shape = order ?? ['n', ...channelsFirstShape(sample)];
  const inputs = [{ name: 'x', type: 'float', shape } as const];
  const producer = { name: 'test', version: '' };
  return { opset, producer, nodes, constants: new Map(Object.entries(constants)), inputs, outputs };
}

let seed = 1;
export const floats = (...shape: number[]): OnnxTensor => {
  const values = testValues(
    shape.reduce((a, b) => a * b, 1),
    0.5,
    seed++,
  );
  return { type: 'float', shape, values };
};
export const scalar = (value: number): OnnxTensor => {
  return { type: 'float', shape: [], values: Float32Array.of(value) };
};
export const list = (...values: number[]): OnnxTensor => {
  return { type: 'int64', shape: [values.length], values: Float64Array.from(values) };
};
export const positive = (length: number): OnnxTensor => {
  const values = testValues(length, 0.3, seed++).map((value) => value + 1);
  return { type: 'float', shape: [length], values };
};
