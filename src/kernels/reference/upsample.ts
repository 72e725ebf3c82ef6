// Plain twins of kernels/assembly/upsample.ts: each output as a weighted sum of inputs, from the
// formulas of abi/upsample.ts, and the gradient with the same weights in reverse. Layout
// [N, H, W, C].

export interface UpsampleRefOptions {
  readonly countSamples: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly mode: 'nearest' | 'bilinear';
  readonly alignCorners: boolean;
}

interface Part {
  readonly input: number;
  readonly weight: number;
}

/** The inputs that output `out` of an axis depends on, and their weights. */
function partsOf(
  out: number,
  size: number,
  outSize: number,
  { mode, alignCorners }: UpsampleRefOptions,
): readonly Part[] {
  if (mode === 'nearest') return [{ input: Math.floor((out * size) / outSize), weight: 1 }];
  const aligned = outSize > 1 ? out * ((size - 1) / (outSize - 1)) : 0;
  const free = (out + 0.5) * (size / outSize) - 0.5;
  const source = Math.min(Math.max(alignCorners ? aligned : free, 0), size - 1);
  const input = Math.floor(source);
  const share = source - input;
  const parts = [{ input, weight: 1 - share }];
  return share > 0 ? [...parts, { input: input + 1, weight: share }] : parts;
}

/** Calls `visit` for each output and each input that it depends on. */
function forEachPart(
  options: UpsampleRefOptions,
  visit: (out: number, input: number, weight: number) => void,
): void {
  const { countSamples, height, width, channels, outHeight, outWidth } = options;
  let out = 0;
  for (let n = 0; n < countSamples; n++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const rows = partsOf(oy, height, outHeight, options);
      for (let ox = 0; ox < outWidth; ox++) {
        const columns = partsOf(ox, width, outWidth, options);
        for (let c = 0; c < channels; c++, out++) {
          for (const row of rows) {
            for (const column of columns) {
              const pixel = (n * height + row.input) * width + column.input;
              visit(out, pixel * channels + c, row.weight * column.weight);
            }
          }
        }
      }
    }
  }
}

/** y[N, OH, OW, C] from x[N, H, W, C]. */
export function upsampleRef(x: ArrayLike<number>, options: UpsampleRefOptions): Float64Array {
  const { countSamples, channels, outHeight, outWidth } = options;
  const y = new Float64Array(countSamples * outHeight * outWidth * channels);
  forEachPart(options, (out, input, weight) => {
    y[out] = y[out]! + weight * x[input]!;
  });
  return y;
}

/** dx[N, H, W, C] from dy[N, OH, OW, C]. */
export function upsampleGradRef(dy: ArrayLike<number>, options: UpsampleRefOptions): Float64Array {
  const { countSamples, height, width, channels } = options;
  const dx = new Float64Array(countSamples * height * width * channels);
  forEachPart(options, (out, input, weight) => {
    dx[input] = dx[input]! + weight * dy[out]!;
  });
  return dx;
}
