// Weight gradients with short sums, over a few pixels of each sample: leaves are folded in
// registers (kernels/assembly/foldedGrad.ts) instead of written to memory grain by grain.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { outputsOfTap } from './convGeometry.ts';
import type { ConvAxes, Leaves } from './convSteps.ts';
import { isWinograd, sumsTiles } from './winogradPlan.ts';

/** With more outputs, sums take longer than leaves, and the other algorithm has them in one
 * band. */
const MOST_PIXELS = 32;
const ROW_MULTIPLE = 4;
const CHANNEL_MULTIPLE = 8;
/** The floats that the kernel needs for each level of the tree, and the maximum number of
 * levels. */
const LEVEL_FLOATS = 64;
const LEVELS = 10;

/** The scratch of a layer that binds a fold. */
export const FOLD_SCRATCH: WorkspaceDeclaration = {
  name: 'folds',
  type: 'f32',
  shape: [LEVELS * LEVEL_FLOATS],
  lifetime: 'pass',
};

/** Whether the weight gradient of a convolution is folded this way. Its shapes decide; the leaves
 * must otherwise be sums over pixels, too. */
export function foldsTaps(spec: Conv2dSpec, axes: ConvAxes): boolean {
  const { groups, inChannels, outChannels } = spec;
  const isShort = axes.y.output * axes.x.output <= MOST_PIXELS;
  const isSumOfPixels = !(isWinograd(spec, axes) && sumsTiles(axes));
  return (
    groups === 1 &&
    isShort &&
    isSumOfPixels &&
    inChannels % ROW_MULTIPLE === 0 &&
    outChannels % CHANNEL_MULTIPLE === 0
  );
}

/** Returns a function that computes a gradient subtree by subtree. It does nothing and returns
 * false if the grains of the step do not form perfect trees of equal grains. Undefined if the sink
 * takes only leaves. */
export function bindFolds(
  { step, firstGrain }: Binding,
  { nodes, foldNode }: GradientSink,
  compute: (leaves: Leaves) => void,
): (() => boolean) | undefined {
  if (nodes === undefined || foldNode === undefined) return undefined;
  if (nodes.some(({ lo, hi }) => !isPowerOfTwo(hi - lo) || hi - lo > 2 ** (LEVELS - 2))) {
    return undefined;
  }
  const { grainStart } = step;
  return () => {
    for (const { lo, hi } of nodes) {
      if (!areEqual(grainStart, lo - firstGrain, hi - firstGrain)) return false;
    }
    for (let i = 0; i < nodes.length; i++) {
      const { lo, hi, ptr } = nodes[i]!;
      const start = grainStart[lo - firstGrain]!;
      const samples = grainStart[lo - firstGrain + 1]! - start;
      compute({ start, samples, leaves: hi - lo, gradPtr: ptr });
      foldNode(i);
    }
    return true;
  };
}

function isPowerOfTwo(count: number): boolean {
  return (count & (count - 1)) === 0;
}

/** Whether all grains have the same number of samples, at least one. */
function areEqual(grainStart: ArrayLike<number>, lo: number, hi: number): boolean {
  const samples = grainStart[lo + 1]! - grainStart[lo]!;
  for (let grain = lo; grain < hi; grain++) {
    if (grainStart[grain + 1]! - grainStart[grain]! !== samples) return false;
  }
  return samples > 0;
}

/** Binds the weight gradient of a convolution, tap by tap. Requires {@link foldsTaps}. */
export function bindTapFolds(
  { kernel, stride, dilation, inChannels, outChannels }: Conv2dSpec,
  { y, x }: ConvAxes,
  binding: Binding,
): (leaves: Leaves) => void {
  const { kernels, input, output } = binding;
  const scratchPtr = binding.workspacePtr(FOLD_SCRATCH.name);
  const [xPixel, dyPixel] = [inChannels * FLOAT_BYTES, outChannels * FLOAT_BYTES];
  const [xRow, dyRow] = [x.input * xPixel, x.output * dyPixel];
  const [xSample, dySample] = [y.input * xRow, y.output * dyRow];
  const tapBytes = inChannels * dyPixel;
  const rowsOf = Array.from({ length: kernel[0] }, (_, tap) => outputsOfTap(y, tap));
  const columnsOf = Array.from({ length: kernel[1] }, (_, tap) => outputsOfTap(x, tap));
  const taps = rowsOf.flatMap((rows, tapY) =>
    columnsOf.map((columns, tapX) => ({
      rows: rows.count,
      columns: columns.count,
      xBytes:
        (rows.first * stride[0] + tapY * dilation[0] - y.before) * xRow +
        (columns.first * stride[1] + tapX * dilation[1] - x.before) * xPixel,
      dyBytes: rows.first * dyRow + columns.first * dyPixel,
    })),
  );
  return ({ start, samples, leaves, gradPtr }) => {
    const xPtr = input.ptr + start * xSample;
    const dyPtr = output.gradPtr + start * dySample;
    let toPtr = gradPtr;
    for (const { rows, columns, xBytes, dyBytes } of taps) {
      if (rows === 0 || columns === 0) kernels.zeroBytes(toPtr, tapBytes);
      else {
        kernels.foldedWeightGradF32(
          xPtr + xBytes,
          xSample,
          stride[0] * xRow,
          stride[1] * xPixel,
          dyPtr + dyBytes,
          dySample,
          dyRow,
          dyPixel,
          rows,
          columns,
          samples,
          leaves,
          inChannels,
          outChannels,
          toPtr,
          dyPixel,
          scratchPtr,
        );
      }
      toPtr += tapBytes;
    }
  };
}
