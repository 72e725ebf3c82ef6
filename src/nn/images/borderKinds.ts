// Implements pad and slice: a sample is placed into a larger one of zeros, or taken out of a larger
// one. Each is the gradient of the other, so both use the same two copies.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import { checkImage } from '../layers/checkImage.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { PadSpec } from '../specs/pad.ts';
import type { SliceRange, SliceSpec } from '../specs/slice.ts';

/** A sample as an image: [times, 1, channels], [1, 1, features]. */
type Image = readonly [number, number, number];

/** The position of the smaller image in the larger one. */
interface Frame {
  readonly large: Image;
  readonly small: Image;
  /** The first row, column and channel. */
  readonly from: Image;
}

/** Runs of adjacent floats that both images have. */
interface Runs {
  readonly length: number;
  readonly perBlock: number;
  readonly blocks: number;
}

/** Blocks of equally spaced runs: whole rows if all channels are taken, otherwise pixels. */
function runsOf({ large, small }: Frame): Runs {
  const [rows, columns, channels] = small;
  if (channels === large[2]) return { length: columns * channels, perBlock: rows, blocks: 1 };
  return { length: channels, perBlock: columns, blocks: rows };
}

/** Returns a function that copies the frame's part of each sample out of the large images, or into
 * them. */
function bindCopy(
  kernels: KernelExports,
  frame: Frame,
  isOut: boolean,
): (fromPtr: number, toPtr: number, countSamples: number) => void {
  const { large, small, from } = frame;
  const { length, perBlock, blocks } = runsOf(frame);
  const isWhole = blocks === 1;
  const bytesOf = ([, columns, channels]: Image) => {
    const pixel = channels * FLOAT_BYTES;
    return { run: isWhole ? columns * pixel : pixel, block: columns * pixel };
  };
  const [outer, inner] = [bytesOf(large), bytesOf(small)];
  const offset = ((from[0] * large[1] + from[1]) * large[2] + from[2]) * FLOAT_BYTES;
  const [largeBytes, smallBytes] = [sizeOf(large) * FLOAT_BYTES, sizeOf(small) * FLOAT_BYTES];
  return (fromPtr, toPtr, countSamples) => {
    const largePtr = isOut ? fromPtr : toPtr;
    const smallPtr = isOut ? toPtr : fromPtr;
    for (let sample = 0; sample < countSamples; sample++) {
      for (let block = 0; block < blocks; block++) {
        const outerPtr = largePtr + offset + sample * largeBytes + block * outer.block;
        const innerPtr = smallPtr + sample * smallBytes + block * inner.block;
        if (isOut) kernels.copyRowsF32(outerPtr, outer.run, innerPtr, inner.run, perBlock, length);
        else kernels.copyRowsF32(innerPtr, inner.run, outerPtr, outer.run, perBlock, length);
      }
    }
  };
}

/** Returns a function that places the small images into large ones of zeros. */
function bindEmbed(
  kernels: KernelExports,
  frame: Frame,
): (fromPtr: number, toPtr: number, countSamples: number) => void {
  const copy = bindCopy(kernels, frame, false);
  const sampleBytes = sizeOf(frame.large) * FLOAT_BYTES;
  return (fromPtr, toPtr, countSamples) => {
    kernels.zeroBytes(toPtr, countSamples * sampleBytes);
    copy(fromPtr, toPtr, countSamples);
  };
}

export const padKind: LayerKind<PadSpec> = {
  kind: 'pad',
  keeps: { input: false, output: false },
  outputShape({ top, bottom, left, right }, input, path): Shape {
    checkImage(input, path);
    const [height, width, channels] = input as Image;
    return [top + height + bottom, left + width + right, channels];
  },
  bind(spec, { kernels, step, input, output }) {
    const frame: Frame = {
      large: output.shape as Image,
      small: input.shape as Image,
      from: [spec.top, spec.left, 0],
    };
    const forward = bindEmbed(kernels, frame);
    const backward = bindCopy(kernels, frame, true);
    return {
      forward: () => forward(input.ptr, output.ptr, step.countSamples),
      backward() {
        if (input.gradPtr !== 0) backward(output.gradPtr, input.gradPtr, step.countSamples);
      },
    };
  },
};

const AXES = ['rows', 'columns', 'channels'] as const;

/** The names of a sample's axes. */
function axesOf(input: Shape): readonly (typeof AXES)[number][] {
  if (input.length === 3) return AXES;
  return input.length === 2 ? ['rows', 'channels'] : ['channels'];
}

function checkSlice(spec: SliceSpec, input: Shape, path: string): void {
  const axes = axesOf(input);
  const unknown = AXES.find((axis) => spec[axis] !== undefined && !axes.includes(axis));
  if (input.length > 3 || unknown !== undefined) {
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed:
        unknown === undefined ? 'an image, a sequence or a vector' : `a sample with ${unknown}`,
      hint: "a vector's only axis is its channels, a sequence has rows and channels",
    });
  }
  for (const [i, axis] of axes.entries()) {
    const end = spec[axis]?.[1] ?? 0;
    if (!(end > input[i]!)) continue;
    throw new UsageError({
      what: `input of ${path}`,
      given: showShape(input),
      allowed: `at least ${end} ${axis}`,
      hint: `${axis} that end at ${input[i]}`,
    });
  }
}

export const sliceKind: LayerKind<SliceSpec> = {
  kind: 'slice',
  keeps: { input: false, output: false },
  outputShape(spec, input, path): Shape {
    checkSlice(spec, input, path);
    return axesOf(input).map((axis, i) => lengthOf(spec[axis], input[i]!));
  },
  bind(spec, { kernels, step, input, output }) {
    const from = AXES.map((axis) => spec[axis]?.[0] ?? 0) as readonly number[] as Image;
    const frame = { large: asImage(input.shape), small: asImage(output.shape), from };
    const forward = bindCopy(kernels, frame, true);
    const backward = bindEmbed(kernels, frame);
    return {
      forward: () => forward(input.ptr, output.ptr, step.countSamples),
      backward() {
        if (input.gradPtr !== 0) backward(output.gradPtr, input.gradPtr, step.countSamples);
      },
    };
  },
};

function lengthOf(range: SliceRange | undefined, size: number): number {
  return range === undefined ? size : range[1] - range[0];
}

function asImage(shape: Shape): Image {
  if (shape.length === 3) return shape as Image;
  const [times, channels] = shape.length === 2 ? (shape as [number, number]) : [1, shape[0]!];
  return [times, 1, channels];
}
