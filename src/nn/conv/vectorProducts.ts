// Products of vectors with a weight, and the weight gradient, computed by the convolution kernels:
// a grid of [steps, samples] vectors is treated as the pixels of an image, with a single tap that
// covers the whole vector. A linear layer has a grid of one step.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { Binding } from '../layers/layer.ts';
import { PANEL_ROW_BYTES } from './convSteps.ts';

/** The distance from one vector of a grid to the next, and the floats in each. */
export interface VectorGrid {
  readonly stepBytes: number;
  readonly sampleBytes: number;
  readonly length: number;
}

/** A grid and the address of its first vector. */
export interface Vectors extends VectorGrid {
  readonly ptr: number;
}

export interface VectorWeight {
  /** [rows, columns], float32. */
  readonly ptr: number;
  readonly rows: number;
  readonly columns: number;
  /** The address of `columns` floats that are added to each forward product; 0 without a bias. */
  readonly biasPtr: number;
  /** The weight as the kernels read it, for products forward and backward. */
  readonly panelsPtr: number;
  readonly gradPanelsPtr: number;
  /** Undefined if the weight is frozen. */
  readonly gradient: GradientSink | undefined;
}

export interface BoundWeight {
  /** Call it before `multiply` if the weight has changed. */
  packForward(): void;
  /** Call it before `multiplyBack` if the weight has changed. */
  packBackward(): void;
  /** y = x W + bias, for vectors of the first `countSteps` steps. */
  multiply(x: Vectors, y: Vectors, countSteps: number): void;
  /** dx = dy W^T. */
  multiplyBack(dy: Vectors, dx: Vectors, countSteps: number): void;
  /** Computes the gradient x^T dy of each grain, over `countSteps` steps, unless the weight is
   * frozen. */
  foldGradient(x: Vectors, dy: Vectors, countSteps: number): void;
}

/** The same grid at an address. */
export function vectorsAt(ptr: number, grid: VectorGrid): Vectors {
  const { stepBytes, sampleBytes, length } = grid;
  return { ptr, stepBytes, sampleBytes, length };
}

/** Binds the products of a layer with one of its weights. */
export function bindWeight(binding: Binding, weight: VectorWeight): BoundWeight {
  const { kernels } = binding;
  const { ptr, rows, columns, biasPtr, panelsPtr, gradPanelsPtr } = weight;
  const rowBytes = columns * FLOAT_BYTES;
  const panelBytes = columns * PANEL_ROW_BYTES;
  const multiply = bindMultiply(binding);
  const forward = { panelsPtr, biasPtr };
  const back = { panelsPtr: gradPanelsPtr, biasPtr: 0 };
  return {
    packForward() {
      kernels.packPanelsF32(ptr, rowBytes, rows, columns, panelsPtr);
    },
    packBackward() {
      kernels.packTransposedPanelsF32(ptr, rowBytes, columns, rows, gradPanelsPtr, panelBytes);
    },
    multiply: (x, y, countSteps) => multiply(x, y, forward, countSteps),
    multiplyBack: (dy, dx, countSteps) => multiply(dy, dx, back, countSteps),
    foldGradient: bindGradient(binding, weight),
  };
}

type Multiply = (
  from: Vectors,
  to: Vectors,
  packed: Pick<VectorWeight, 'panelsPtr' | 'biasPtr'>,
  countSteps: number,
) => void;

function bindMultiply({ kernels, step }: Binding): Multiply {
  return (from, to, packed, countSteps) => {
    const vectorBytes = from.length * FLOAT_BYTES;
    kernels.convTilesF32(
      from.ptr,
      from.stepBytes,
      from.sampleBytes,
      1,
      vectorBytes,
      1,
      vectorBytes,
      from.length,
      packed.panelsPtr,
      packed.biasPtr,
      to.ptr,
      to.stepBytes,
      to.sampleBytes,
      countSteps,
      step.countSamples,
      to.length,
      0,
      0,
    );
  };
}

function bindGradient(
  { kernels, step, countGrains }: Binding,
  { columns, gradient }: VectorWeight,
): BoundWeight['foldGradient'] {
  if (gradient === undefined) return () => {};
  const rowBytes = columns * FLOAT_BYTES;
  return (x, dy, countSteps) => {
    const vectorBytes = x.length * FLOAT_BYTES;
    for (let grain = 0; grain < countGrains; grain++) {
      const start = step.grainStart[grain]!;
      kernels.convWeightGradTilesF32(
        x.ptr + start * x.sampleBytes,
        x.stepBytes,
        x.sampleBytes,
        1,
        vectorBytes,
        1,
        vectorBytes,
        x.length,
        dy.ptr + start * dy.sampleBytes,
        dy.stepBytes,
        dy.sampleBytes,
        countSteps,
        step.grainStart[grain + 1]! - start,
        columns,
        gradient.leafPtr(grain),
        rowBytes,
        0,
        0,
      );
      gradient.fold(grain);
    }
  };
}
