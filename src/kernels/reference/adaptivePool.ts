// Plain twins of kernels/assembly/adaptivePool.ts, straight from the formulas of
// abi/adaptivePool.ts: loops over typed arrays in float64 arithmetic. Layout [N, H, W, C].

export interface AdaptivePoolRefOptions {
  readonly countSamples: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Calls `visit` for each output element with the input elements of its bin in row-major order, and
 * their positions in their image. */
function forEachBin(
  options: AdaptivePoolRefOptions,
  visit: (out: number, inputs: readonly { at: number; pixel: number }[]) => void,
): void {
  const { countSamples, height, width, channels, outHeight, outWidth } = options;
  let out = 0;
  for (let n = 0; n < countSamples; n++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        for (let c = 0; c < channels; c++, out++) {
          const inputs: { at: number; pixel: number }[] = [];
          for (let y = 0; y < height; y++) {
            for (let x = 0; x < width; x++) {
              if (!isInBin(y, oy, height, outHeight) || !isInBin(x, ox, width, outWidth)) continue;
              const pixel = y * width + x;
              inputs.push({ at: (n * height * width + pixel) * channels + c, pixel });
            }
          }
          visit(out, inputs);
        }
      }
    }
  }
}

function isInBin(at: number, out: number, size: number, outSize: number): boolean {
  const end = Math.ceil(((out + 1) * size) / outSize);
  return at >= Math.floor((out * size) / outSize) && at < end;
}

/** Writes the position of each maximum in its image to `index`: the first of equal ones. */
export function adaptiveMaxPool2dRef(
  y: Float32Array,
  index: Int32Array,
  x: Float32Array,
  options: AdaptivePoolRefOptions,
): void {
  forEachBin(options, (out, inputs) => {
    const values = inputs.map(({ at }) => x[at]!);
    y[out] = Math.max(...values);
    index[out] = inputs[values.indexOf(y[out]!)]!.pixel;
  });
}

export function adaptiveAvgPool2dRef(
  y: Float32Array,
  x: Float32Array,
  options: AdaptivePoolRefOptions,
): void {
  forEachBin(options, (out, inputs) => {
    y[out] = inputs.reduce((sum, { at }) => sum + x[at]!, 0) / inputs.length;
  });
}

export function adaptiveAvgPool2dGradRef(
  dx: Float32Array,
  dy: Float32Array,
  options: AdaptivePoolRefOptions,
): void {
  const sums = new Float64Array(dx.length);
  forEachBin(options, (out, inputs) => {
    for (const { at } of inputs) sums[at] = sums[at]! + dy[out]! / inputs.length;
  });
  dx.set(sums);
}
