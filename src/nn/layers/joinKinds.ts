// Implements multiply and concat. The inputs of concat become columns of its output; the rows are
// the pixels of all samples. Multiply takes a second value of the same shape, or with one element
// for each channel of a sample.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import {
  channelsOf,
  type Shape,
  shapesDiffer,
  showShape,
  sizeOf,
  sizesDiffer,
} from '../../base/shape.ts';
import type { JoinKind } from './join.ts';

const concatKind: JoinKind = {
  kind: 'concat',
  keepsInputs: false,
  outputShape(inputs, path) {
    const [first] = inputs as [Shape];
    const leading = first.slice(0, -1);
    if (inputs.some((shape) => shapesDiffer(shape.slice(0, -1), leading))) {
      throw new UsageError({
        what: `the inputs of ${path}`,
        given: inputs.map(showShape).join(', '),
        allowed: 'shapes that differ only in their last axis',
        hint: 'pad, slice or upsample in front of it',
      });
    }
    return [...leading, inputs.reduce((sum, shape) => sum + channelsOf(shape), 0)];
  },
  bind({ kernels, step, inputs, output }) {
    const width = channelsOf(output.shape);
    const rowBytes = width * FLOAT_BYTES;
    const countRows = sizeOf(output.shape) / width;
    let column = 0;
    const columns = inputs.map(({ shape, ptr, gradPtr }) => {
      const length = channelsOf(shape);
      const own = { ptr, gradPtr, length, offsetBytes: column * FLOAT_BYTES };
      column += length;
      return own;
    });
    return {
      forward() {
        const rows = step.countSamples * countRows;
        for (const { ptr, length, offsetBytes } of columns) {
          const yPtr = output.ptr + offsetBytes;
          kernels.copyRowsF32(ptr, length * FLOAT_BYTES, yPtr, rowBytes, rows, length);
        }
      },
      backward() {
        const rows = step.countSamples * countRows;
        for (const { gradPtr, length, offsetBytes } of columns) {
          if (gradPtr === 0) continue;
          const dyPtr = output.gradPtr + offsetBytes;
          kernels.copyRowsF32(dyPtr, rowBytes, gradPtr, length * FLOAT_BYTES, rows, length);
        }
      },
    };
  },
};

const multiplyKind: JoinKind = {
  kind: 'multiply',
  keepsInputs: true,
  outputShape(inputs, path) {
    const [x, factor] = inputs as [Shape, Shape];
    if (!shapesDiffer(x, factor) || isGate(x, factor)) return x;
    throw new UsageError({
      what: `the inputs of ${path}`,
      given: `${showShape(x)}, ${showShape(factor)}`,
      allowed: 'equal shapes, or one factor for each channel of the first',
      hint: 'globalAvgPool() and linear in front of the second',
    });
  },
  bind({ kernels, step, inputs, output }) {
    const [x, factor] = inputs as [typeof output, typeof output];
    const channels = channelsOf(x.shape);
    const countPixels = sizeOf(x.shape) / sizeOf(factor.shape);
    const countPer = sizeOf(factor.shape);
    if (countPixels === 1) {
      const countOf = (): number => step.countSamples * countPer;
      return {
        forward: () => kernels.multiplyF32(x.ptr, factor.ptr, output.ptr, countOf()),
        backward() {
          const { gradPtr } = output;
          if (x.gradPtr !== 0) kernels.multiplyF32(gradPtr, factor.ptr, x.gradPtr, countOf());
          if (factor.gradPtr !== 0) kernels.multiplyF32(gradPtr, x.ptr, factor.gradPtr, countOf());
        },
      };
    }
    return {
      forward() {
        kernels.gateF32(x.ptr, factor.ptr, output.ptr, step.countSamples, countPixels, channels);
      },
      backward() {
        const { gradPtr } = output;
        const { countSamples } = step;
        if (x.gradPtr !== 0) {
          kernels.gateF32(gradPtr, factor.ptr, x.gradPtr, countSamples, countPixels, channels);
        }
        if (factor.gradPtr !== 0) {
          kernels.gateGradF32(gradPtr, x.ptr, factor.gradPtr, countSamples, countPixels, channels);
        }
      },
    };
  },
};

/** Whether a factor has one element for each channel. */
function isGate(x: Shape, factor: Shape): boolean {
  const channels = channelsOf(x);
  return !sizesDiffer(sizeOf(factor), channels) && !sizesDiffer(channelsOf(factor), channels);
}

/** The joins that are not sums. */
export const joinKinds: Readonly<Record<JoinKind['kind'], JoinKind>> = {
  concat: concatKind,
  multiply: multiplyKind,
};
