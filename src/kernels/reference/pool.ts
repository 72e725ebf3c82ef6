// Plain twins of kernels/assembly/pool.ts: loops over typed arrays in float64 arithmetic, straight
// from the formulas of abi/pool.ts. Layout [N, H, W, C].

export interface PoolRefOptions {
  readonly countSamples: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** [height, width], like the two below. */
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
}

/** Calls `visit` for each output element with its index, the indices of the input elements in its
 * window in row-major order, and their positions in their image. */
function forEachWindow(
  options: PoolRefOptions,
  visit: (out: number, inputs: readonly { at: number; pixel: number }[]) => void,
): void {
  const { countSamples, height, width, channels, outHeight, outWidth } = options;
  const { kernel, stride, padding } = options;
  let out = 0;
  for (let n = 0; n < countSamples; n++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        for (let c = 0; c < channels; c++) {
          const inputs: { at: number; pixel: number }[] = [];
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const y = oy * stride[0] - padding[0] + ky;
              const x = ox * stride[1] - padding[1] + kx;
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              const pixel = y * width + x;
              inputs.push({ at: (n * height * width + pixel) * channels + c, pixel });
            }
          }
          visit(out, inputs);
          out++;
        }
      }
    }
  }
}

/** Writes the position of each maximum in its image to `index`. */
export function maxPool2dRef(
  y: Float32Array,
  index: Int32Array,
  x: Float32Array,
  options: PoolRefOptions,
): void {
  forEachWindow(options, (out, inputs) => {
    let best = Number.NEGATIVE_INFINITY;
    let where = inputs[0]!.pixel;
    for (const { at, pixel } of inputs) {
      const value = x[at]!;
      if (value > best || Number.isNaN(value)) {
        best = value;
        where = pixel;
      }
    }
    y[out] = best;
    index[out] = where;
  });
}

/** Sums in float32, in the order of outputs. */
export function maxPool2dGradRef(
  dx: Float32Array,
  dy: Float32Array,
  index: Int32Array,
  options: PoolRefOptions,
): void {
  const { height, width, channels } = options;
  const outSize = options.outHeight * options.outWidth * channels;
  dx.fill(0);
  for (let out = 0; out < dy.length; out++) {
    const sample = Math.floor(out / outSize);
    const at = (sample * height * width + index[out]!) * channels + (out % channels);
    dx[at] = dx[at]! + dy[out]!;
  }
}

export function avgPool2dRef(
  y: Float32Array,
  x: Float32Array,
  options: PoolRefOptions & { readonly countIncludePad: boolean },
): void {
  const area = options.kernel[0] * options.kernel[1];
  forEachWindow(options, (out, inputs) => {
    let sum = 0;
    for (const { at } of inputs) sum += x[at]!;
    y[out] = sum / (options.countIncludePad ? area : inputs.length);
  });
}

export function avgPool2dGradRef(
  dx: Float32Array,
  dy: Float32Array,
  options: PoolRefOptions & { readonly countIncludePad: boolean },
): void {
  const area = options.kernel[0] * options.kernel[1];
  const sums = new Float64Array(dx.length);
  forEachWindow(options, (out, inputs) => {
    const share = dy[out]! / (options.countIncludePad ? area : inputs.length);
    for (const { at } of inputs) sums[at] = sums[at]! + share;
  });
  dx.set(sums);
}

/** x is [countSamples, pixels, channels], y [countSamples, channels]. */
export function globalAvgPoolRef(
  y: Float32Array,
  x: Float32Array,
  pixels: number,
  channels: number,
): void {
  for (let out = 0; out < y.length; out++) {
    const start = Math.floor(out / channels) * pixels * channels + (out % channels);
    let sum = 0;
    for (let pixel = 0; pixel < pixels; pixel++) sum += x[start + pixel * channels]!;
    y[out] = sum / pixels;
  }
}

export function globalAvgPoolGradRef(
  dx: Float32Array,
  dy: Float32Array,
  pixels: number,
  channels: number,
): void {
  for (let at = 0; at < dx.length; at++) {
    const sample = Math.floor(at / (pixels * channels));
    dx[at] = dy[sample * channels + (at % channels)]! / pixels;
  }
}
