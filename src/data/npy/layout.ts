// Position of the channels in samples. Internally they are always last; data with channels first,
// PyTorch's layout, is transposed once, when it is loaded.

import { UsageError } from '../../base/errors.ts';

export const DATA_LAYOUTS = ['channelsLast', 'channelsFirst'] as const;
/** `channelsLast`: [N, L, C], [N, H, W, C] or [N, D, H, W, C]; `channelsFirst`: [N, C, L],
 * [N, C, H, W] or [N, C, D, H, W]. [N, F] is the same in both. */
export type DataLayout = (typeof DATA_LAYOUTS)[number];

/** Returns the layout, or throws a UsageError that lists the valid ones. */
export function checkLayout(layout: DataLayout): DataLayout {
  if (DATA_LAYOUTS.includes(layout)) return layout;
  throw new UsageError({
    what: 'layout of the data',
    given: layout,
    allowed: DATA_LAYOUTS.map((name) => `'${name}'`).join(', '),
  });
}

/** Copies samples from channels first, [N, C, ...], to channels last, [N, ..., C]. */
export function toChannelsLast<T extends Uint8Array | Float32Array | Float64Array>(
  values: T,
  shape: readonly number[],
): { readonly values: T; readonly shape: readonly number[] } {
  const [count = 0, channels = 1, ...axes] = shape;
  const rows = axes.reduce((product, size) => product * size, 1);
  const turned = values.slice() as T;
  for (let sample = 0; sample < count; sample++) {
    const start = sample * rows * channels;
    for (let channel = 0; channel < channels; channel++) {
      const from = start + channel * rows;
      for (let row = 0; row < rows; row++) {
        turned[start + row * channels + channel] = values[from + row]!;
      }
    }
  }
  return { values: turned, shape: [count, ...axes, channels] };
}
