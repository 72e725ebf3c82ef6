// Upsampling by non-integer ratios, as a product with a matrix per axis: how much each output takes
// from each input position (kernels/abi/upsample.ts).

import type { UpsampleSpec } from '../../nn/specs/upsample.ts';

/** The shares [outSize, size] of an axis. */
export function sharesOf(
  spec: Pick<UpsampleSpec, 'mode' | 'alignCorners'>,
  size: number,
  outSize: number,
): readonly (readonly number[])[] {
  return Array.from({ length: outSize }, (_, out) => {
    const shares = new Array<number>(size).fill(0);
    if (spec.mode === 'nearest') {
      shares[Math.floor((out * size) / outSize)] = 1;
      return shares;
    }
    const aligned = outSize > 1 ? out * ((size - 1) / (outSize - 1)) : 0;
    const free = (out + 0.5) * (size / outSize) - 0.5;
    const source = Math.min(Math.max(spec.alignCorners ? aligned : free, 0), size - 1);
    const first = Math.floor(source);
    shares[first] = 1 - (source - first);
    if (source > first) shares[first + 1] = source - first;
    return shares;
  });
}
