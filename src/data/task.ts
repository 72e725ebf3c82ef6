// What to learn from a dataset, and how many target values a sample has.

import { type Shape, sizeOf } from '../base/shape.ts';

/** What to learn. */
export type Task =
  | { readonly kind: 'classification'; readonly classes: number }
  | {
      /** A class for each pixel: targets are masks. */
      readonly kind: 'segmentation';
      readonly classes: number;
      /** Shape of a mask, [H, W]; the model's outputs are [H, W, classes]. */
      readonly targetShape: Shape;
    }
  | {
      readonly kind: 'regression';
      readonly targetShape: Shape;
      /** With `std`: a target in the data's own units is stored value * std + mean, for each of its
       * values. Absent if targets are stored unchanged. */
      readonly mean?: readonly number[];
      readonly std?: readonly number[];
    };

/** Target values per sample: 1 class index, or sizeOf(targetShape) class indexes or floats. */
export function targetSize(task: Task): number {
  return task.kind === 'classification' ? 1 : sizeOf(task.targetShape);
}

/** How many predictions of a sample are right or wrong: one per pixel of a mask, otherwise 1. */
export function labelsOf(task: Task): number {
  return task.kind === 'segmentation' ? sizeOf(task.targetShape) : 1;
}

/** Describes the label at an index of a split. */
export function showLabelAt(task: Task, index: number): string {
  const size = targetSize(task);
  if (task.kind !== 'segmentation') return `label of sample ${index}`;
  return `label of pixel ${index % size} of sample ${Math.floor(index / size)}`;
}
