// Moves masks with their images: the loader's draw moves both, so that each pixel keeps its label.
// Runs inside the workers and allocates nothing per sample.

import { Purpose, RandomStream } from '../../base/random.ts';
import type { Shape } from '../../base/shape.ts';
import type { AugmentationPlan } from './augment.ts';
import {
  DRAWN_DX,
  DRAWN_DY,
  DRAWN_FLIP,
  DRAWN_LENGTH,
  drawAugmentation,
} from './drawAugmentation.ts';

export interface MaskMoverOptions {
  /** [H, W]. */
  readonly maskShape: Shape;
  readonly augmentation: AugmentationPlan;
  readonly seed: number;
  /** The label of pixels that move in from outside. */
  readonly outside: number;
}

export interface MaskMover {
  /** Writes a mask from a row of masks [rows, H, W] to `to`, starting at `at`, moved like its image
   * at this position of the global batch. */
  move(
    from: Int32Array,
    row: number,
    to: Int32Array,
    at: number,
    step: number,
    position: number,
  ): void;
  /** Adds to `counts` how often each non-negative label occurs in the mask that {@link
   * MaskMover.move} writes. */
  count(from: Int32Array, row: number, counts: Int32Array, step: number, position: number): void;
}

/** Binds a mover. Its functions then allocate nothing. */
export function createMaskMover(options: MaskMoverOptions): MaskMover {
  const { maskShape, augmentation, seed, outside } = options;
  const [height = 1, width = 1] = maskShape;
  const size = height * width;
  const random = new RandomStream();
  const drawn = new Int32Array(DRAWN_LENGTH);
  const draw = (step: number, position: number): void => {
    random.reset(seed, Purpose.augment, step, position);
    drawAugmentation(random, augmentation, drawn);
  };
  return {
    move(masks, row, to, at, step, position) {
      draw(step, position);
      const dy = drawn[DRAWN_DY]!;
      const dx = drawn[DRAWN_DX]!;
      const flips = drawn[DRAWN_FLIP] === 1;
      const from = row * size;
      for (let i = 0; i < size; i++) {
        const x = i % width;
        const sourceY = (i - x) / width + dy;
        const sourceX = (flips ? width - 1 - x : x) + dx;
        const isInside = sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX < width;
        to[at + i] = isInside ? masks[from + sourceY * width + sourceX]! : outside;
      }
    },
    count(masks, row, counts, step, position) {
      draw(step, position);
      const dy = drawn[DRAWN_DY]!;
      const dx = drawn[DRAWN_DX]!;
      // A flip changes no count: only the rows and columns that stay inside matter.
      const top = Math.max(0, dy);
      const bottom = height + Math.min(0, dy);
      const left = Math.max(0, dx);
      const right = width + Math.min(0, dx);
      for (let y = top; y < bottom; y++) {
        const line = row * size + y * width;
        addCounts(masks, line + left, line + right, counts);
      }
      const added = size - (bottom - top) * (right - left);
      if (outside >= 0) counts[outside] = counts[outside]! + added;
    },
  };
}

/** Adds to `counts` how often each non-negative label occurs in the range [from, to). */
export function addCounts(labels: Int32Array, from: number, to: number, counts: Int32Array): void {
  for (let i = from; i < to; i++) {
    const label = labels[i]!;
    if (label >= 0) counts[label] = counts[label]! + 1;
  }
}
