// What is to be learned from a dataset, and how much of it a sample has.

import { type Shape, sizeOf } from '../base/shape.ts';

/** What is to be learned. */
export type Task =
  | { readonly kind: 'classification'; readonly classes: number }
  | {
      /** A class for each pixel: targets are masks. */
      readonly kind: 'segmentation';
      readonly classes: number;
      /** Of a mask, [H, W]; the model's outputs are [H, W, classes]. */
      readonly targetShape: Shape;
    }
  | {
      readonly kind: 'regression';
      readonly targetShape: Shape;
      /** With `std`: a target in the data's own units is stored value * std + mean, for each of its
       * values. Absent where targets are stored as they are. */
      readonly mean?: readonly number[];
      readonly std?: readonly number[];
    };

/** How many target values a sample has: 1 class index, or sizeOf(targetShape) of them, or of
 * floats. */
export function targetSize(task: Task): number {
  return task.kind === 'classification' ? 1 : sizeOf(task.targetShape);
}

/** How many answers a sample has that are right or wrong: its pixels, else 1. */
export function labelsOf(task: Task): number {
  return task.kind === 'segmentation' ? sizeOf(task.targetShape) : 1;
}

/** Which of the labels of a split the one at an index is. */
export function showLabelAt(task: Task, index: number): string {
  const size = targetSize(task);
  if (task.kind !== 'segmentation') return `label of sample ${index}`;
  return `label of pixel ${index % size} of sample ${Math.floor(index / size)}`;
}
