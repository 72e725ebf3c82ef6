// Windows over images and sequences, in the form of ONNX's convolutions and pools. A sequence is an
// image with one row.

import { convOutputSize } from '../../nn/conv/convGeometry.ts';
import { asImage } from '../../nn/conv/sequenceKinds.ts';
import type { NodeReader } from './nodeReader.ts';
import type { Activation } from './values.ts';

type Two = readonly [number, number];

/** Windows over an image, as imported. */
export interface Windows {
  readonly kernel: Two;
  readonly stride: Two;
  readonly dilation: Two;
  readonly padding: { top: number; left: number; bottom: number; right: number };
}

/** A pool's windows in the form of sequence layers. */
export function alongTime({ kernel, stride, padding }: Omit<Windows, 'dilation'>) {
  const { left, right } = padding;
  return { kernel: kernel[1], stride: stride[1], padding: { left, right } };
}

/** One number per axis of an image; a sequence is one row. */
export function two(node: NodeReader, name: string, x: Activation, otherwise: Two): Two {
  const found = node.ints(name);
  if (found === undefined) return otherwise;
  if (found.length !== x.shape.length - 1) return node.fail(`has ${name} [${found}]`);
  return found.length === 1 ? [otherwise[0], found[0]!] : (found as unknown as Two);
}

/** The sizes of a kernel; a sequence has one. */
export function kernelOf(sizes: readonly number[]): Two {
  return (sizes.length === 1 ? [1, sizes[0]!] : sizes) as unknown as Two;
}

/** Zero padding around an image; a sequence has none above and below. */
export function padsOf(node: NodeReader, x: Activation): readonly [Two, Two] {
  const pads = node.ints('pads') ?? new Array<number>(2 * x.shape.length - 2).fill(0);
  if (pads.length !== 2 * (x.shape.length - 1)) return node.fail(`has pads [${pads}]`);
  if (pads.length === 2) {
    return [
      [0, pads[0]!],
      [0, pads[1]!],
    ];
  }
  return [pads.slice(0, 2) as unknown as Two, pads.slice(2) as unknown as Two];
}

/** The windows of a convolution or pool over its input. */
export function windowsOf(node: NodeReader, x: Activation, kernel: Two): Windows {
  const stride = two(node, 'strides', x, [1, 1]);
  const dilation = two(node, 'dilations', x, [1, 1]);
  const own = two(node, 'kernel_shape', x, kernel);
  const automatic = node.text('auto_pad', 'NOTSET');
  const windows = { kernel: own, stride, dilation };
  if (automatic === 'VALID') return { ...windows, padding: paddingOf([0, 0], [0, 0]) };
  if (automatic === 'NOTSET') return { ...windows, padding: paddingOf(...padsOf(node, x)) };
  const zeros = [0, 1].map((i) => {
    const input = sizeAlong(x, i);
    const last = (Math.ceil(input / stride[i]!) - 1) * stride[i]!;
    return Math.max(0, last + dilation[i]! * (own[i]! - 1) + 1 - input);
  }) as unknown as Two;
  const round = automatic === 'SAME_LOWER' ? Math.ceil : Math.floor;
  const before = zeros.map((count) => round(count / 2)) as unknown as Two;
  return { ...windows, padding: paddingOf(before, [zeros[0] - before[0], zeros[1] - before[1]]) };
}

function paddingOf([top, left]: Two, [bottom, right]: Two): Windows['padding'] {
  return { top, left, bottom, right };
}

/** The height (0) or width (1) of an image, or of a sequence as one row. */
export function sizeAlong({ shape }: Activation, axis: number): number {
  return (shape.length === 2 ? asImage(shape) : shape)[axis]!;
}

/** How many outputs an axis has, and how far the last window of `ceil_mode` reaches beyond the
 * input. */
export function ceilPadding(windows: Windows, x: Activation, i: 0 | 1): number {
  const [before, after] = i === 0 ? (['top', 'bottom'] as const) : (['left', 'right'] as const);
  const axis = {
    input: sizeAlong(x, i),
    kernel: windows.kernel[i],
    stride: windows.stride[i],
    dilation: windows.dilation[i],
    before: windows.padding[before],
    after: windows.padding[after],
  };
  const reach = axis.dilation * (axis.kernel - 1) + 1;
  const left = axis.input + axis.before + axis.after - reach;
  const outputs = Math.ceil(left / axis.stride) + 1;
  // A window that begins in the padding after the image is dropped.
  const isBeyond = (outputs - 1) * axis.stride >= axis.input + axis.before;
  const wanted = isBeyond ? outputs - 1 : outputs;
  return wanted > convOutputSize(axis) ? (wanted - 1) * axis.stride - left : 0;
}
