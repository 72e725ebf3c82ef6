// What an ONNX net of convolutions computes in float64, from its float32 weights: a plain loop for
// each operator, to see how far float32 is from it.

import { sizeOf } from '../../../src/base/shape.ts';
import type { OnnxModel, OnnxNode } from '../../../src/onnx/format/model.ts';

interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** The first output for inputs [N, C, H, W]. */
export function inFloat64(model: OnnxModel, x: Float32Array, shape: readonly number[]): Tensor {
  const values = new Map<string, Tensor>();
  for (const [name, { shape, values: own }] of model.constants) {
    values.set(name, { shape, values: Float64Array.from(own) });
  }
  values.set(model.inputs[0]!.name, { shape, values: Float64Array.from(x) });
  for (const node of model.nodes) {
    const inputs = node.inputs.map((name) => values.get(name)!);
    values.set(node.outputs[0]!, OPERATORS[node.op]!(node, inputs));
  }
  return values.get(model.outputs[0]!.name)!;
}

function list(node: OnnxNode, name: string): readonly number[] {
  const found = node.attributes[name];
  return found?.type === 'ints' ? found.value : [];
}

/** Visits the values of one channel within a window, by their places in it. */
type Visit = (see: (value: number, tap: number) => void, channel: number) => void;

function windowed(
  node: OnnxNode,
  x: Tensor,
  channels: number,
  of: (channel: number, visit: Visit) => number,
): Tensor {
  const [samples, depth, height, width] = x.shape as [number, number, number, number];
  const [kh, kw] = list(node, 'kernel_shape') as [number, number];
  const [sh, sw] = list(node, 'strides') as [number, number];
  const [top, left, bottom, right] = list(node, 'pads') as [number, number, number, number];
  const oh = Math.floor((height + top + bottom - kh) / sh) + 1;
  const ow = Math.floor((width + left + right - kw) / sw) + 1;
  const values = new Float64Array(samples * channels * oh * ow);
  let at = 0;
  for (let n = 0; n < samples; n++) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < oh; i++) {
        for (let j = 0; j < ow; j++) {
          values[at++] = of(c, (see, from) => {
            const plane = (n * depth + from) * height * width;
            for (let y = 0; y < kh; y++) {
              const row = i * sh + y - top;
              if (row < 0 || row >= height) continue;
              for (let z = 0; z < kw; z++) {
                const column = j * sw + z - left;
                if (column < 0 || column >= width) continue;
                see(x.values[plane + row * width + column]!, y * kw + z);
              }
            }
          });
        }
      }
    }
  }
  return { shape: [samples, channels, oh, ow], values };
}

const map = (x: Tensor, of: (value: number, i: number) => number): Tensor => {
  return { shape: x.shape, values: x.values.map(of) };
};

const OPERATORS: Readonly<Record<string, (node: OnnxNode, inputs: readonly Tensor[]) => Tensor>> = {
  Conv(node, [x, weight, bias]) {
    const [channels, perGroup, kh, kw] = weight!.shape as [number, number, number, number];
    const outPerGroup = channels / (x!.shape[1]! / perGroup);
    const taps = kh * kw;
    return windowed(node, x!, channels, (c, visit) => {
      let sum = bias?.values[c] ?? 0;
      const first = Math.floor(c / outPerGroup) * perGroup;
      for (let k = 0; k < perGroup; k++) {
        const base = (c * perGroup + k) * taps;
        visit((value, tap) => {
          sum += value * weight!.values[base + tap]!;
        }, first + k);
      }
      return sum;
    });
  },
  MaxPool(node, [x]) {
    return windowed(node, x!, x!.shape[1]!, (c, visit) => {
      let most = Number.NEGATIVE_INFINITY;
      visit((value) => {
        most = Math.max(most, value);
      }, c);
      return most;
    });
  },
  BatchNormalization(node, [x, weight, bias, mean, variance]) {
    const eps = node.attributes.epsilon?.value as number;
    const channels = x!.shape[1]!;
    const size = sizeOf(x!.shape.slice(2));
    return map(x!, (value, i) => {
      const c = Math.floor(i / size) % channels;
      const scale = weight!.values[c]! / Math.sqrt(variance!.values[c]! + Math.fround(eps));
      return (value - mean!.values[c]!) * scale + bias!.values[c]!;
    });
  },
  Relu: (_node, [x]) => map(x!, (value) => Math.max(value, 0)),
  Add: (_node, [a, b]) => map(a!, (value, i) => value + b!.values[i]!),
  Identity: (_node, [x]) => x!,
  Flatten: (_node, [x]) => ({ ...x!, shape: [x!.shape[0]!, sizeOf(x!.shape.slice(1))] }),
  GlobalAveragePool(_node, [x]) {
    const [samples, channels] = x!.shape as [number, number];
    const size = sizeOf(x!.shape.slice(2));
    const values = Float64Array.from({ length: samples * channels }, (_, i) => {
      return x!.values.subarray(i * size, (i + 1) * size).reduce((a, b) => a + b, 0) / size;
    });
    return { shape: [samples, channels, 1, 1], values };
  },
  Gemm(_node, [x, weight, bias]) {
    const [outputs, inputs] = weight!.shape as [number, number];
    const samples = x!.shape[0]!;
    const values = Float64Array.from({ length: samples * outputs }, (_, i) => {
      const [n, o] = [Math.floor(i / outputs), i % outputs];
      let sum = bias!.values[o]!;
      for (let k = 0; k < inputs; k++) {
        sum += x!.values[n * inputs + k]! * weight!.values[o * inputs + k]!;
      }
      return sum;
    });
    return { shape: [samples, outputs], values };
  },
};
