// Plain twins of the convolution kernels and of the layers built on them: loops in float64,
// straight from the definition (cross-correlation, PyTorch's Conv2d and Linear), without padding
// buffers, panels or tiles. Activations [N, H, W, C], conv weight [KH, KW, IC/groups, OC], linear
// weight [in, out].

/** Numbers of either width; the twins always compute in float64. */
export type Numbers = Float32Array | Float64Array;

/** The geometry of a convolution; pairs are [height, width]. */
export interface ConvRefOptions {
  readonly countSamples: number;
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  /** Zeros at the bottom and on the right; by default those of `padding`. */
  readonly paddingAfter?: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** [OH, OW] = floor((size + padding + paddingAfter - dilation (kernel - 1) - 1) / stride) + 1. */
export function convOutputSizeRef(options: ConvRefOptions): readonly [number, number] {
  const along = (size: number, i: 0 | 1): number => {
    const reach = options.dilation[i] * (options.kernel[i] - 1) + 1;
    const zeros = options.padding[i] + (options.paddingAfter ?? options.padding)[i];
    return Math.floor((size + zeros - reach) / options.stride[i]) + 1;
  };
  return [along(options.height, 0), along(options.width, 1)];
}

/** Calls `visit` for every product x[input] * weight[tap] in the sum of output element `output`,
 * with outputs in memory order, then taps and channels in the order of the weight. */
function forEachProduct(
  options: ConvRefOptions,
  visit: (output: number, input: number, weight: number) => void,
): void {
  const { countSamples, height, width, inChannels, outChannels, groups } = options;
  const { kernel, stride, padding, dilation } = options;
  const [outHeight, outWidth] = convOutputSizeRef(options);
  const groupIn = inChannels / groups;
  const groupOut = outChannels / groups;
  let output = 0;
  for (let n = 0; n < countSamples; n++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        for (let oc = 0; oc < outChannels; oc++) {
          const firstIn = Math.floor(oc / groupOut) * groupIn;
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const iy = oy * stride[0] - padding[0] + ky * dilation[0];
              const ix = ox * stride[1] - padding[1] + kx * dilation[1];
              if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
              const pixel = (n * height + iy) * width + ix;
              const tap = ky * kernel[1] + kx;
              for (let ic = 0; ic < groupIn; ic++) {
                const input = pixel * inChannels + firstIn + ic;
                visit(output, input, (tap * groupIn + ic) * outChannels + oc);
              }
            }
          }
          output++;
        }
      }
    }
  }
}

/** y[N, OH, OW, OC]; `bias` may be absent. */
export function conv2dRef(
  x: Numbers,
  weight: Numbers,
  bias: Numbers | undefined,
  options: ConvRefOptions,
): Float64Array {
  const [outHeight, outWidth] = convOutputSizeRef(options);
  const { countSamples, outChannels } = options;
  const y = new Float64Array(countSamples * outHeight * outWidth * outChannels);
  forEachProduct(options, (output, input, tap) => {
    y[output] = y[output]! + x[input]! * weight[tap]!;
  });
  return bias === undefined ? y : y.map((sum, i) => sum + bias[i % outChannels]!);
}

/** dx[N, H, W, IC] = sum of dy * weight over the outputs that x contributes to. */
export function conv2dInputGradRef(
  dy: Numbers,
  weight: Numbers,
  options: ConvRefOptions,
): Float64Array {
  const { countSamples, height, width, inChannels } = options;
  const dx = new Float64Array(countSamples * height * width * inChannels);
  forEachProduct(options, (output, input, tap) => {
    dx[input] = dx[input]! + dy[output]! * weight[tap]!;
  });
  return dx;
}

/** dweight[KH, KW, IC/groups, OC] = sum of x * dy over samples and positions. */
export function conv2dWeightGradRef(
  x: Numbers,
  dy: Numbers,
  options: ConvRefOptions,
): Float64Array {
  const { kernel, inChannels, outChannels, groups } = options;
  const dweight = new Float64Array((kernel[0] * kernel[1] * inChannels * outChannels) / groups);
  forEachProduct(options, (output, input, tap) => {
    dweight[tap] = dweight[tap]! + x[input]! * dy[output]!;
  });
  return dweight;
}

export interface LinearRefOptions {
  readonly countSamples: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** A linear layer is a 1x1 convolution of images of one pixel. */
function asConvolution(options: LinearRefOptions): ConvRefOptions {
  return {
    countSamples: options.countSamples,
    height: 1,
    width: 1,
    inChannels: options.inFeatures,
    outChannels: options.outFeatures,
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
  };
}

/** y = x W + b, [N, out]. */
export function linearRef(
  x: Numbers,
  weight: Numbers,
  bias: Numbers | undefined,
  options: LinearRefOptions,
): Float64Array {
  return conv2dRef(x, weight, bias, asConvolution(options));
}

/** dx = dy W^T, [N, in]. */
export function linearInputGradRef(
  dy: Numbers,
  weight: Numbers,
  options: LinearRefOptions,
): Float64Array {
  return conv2dInputGradRef(dy, weight, asConvolution(options));
}

/** dW = x^T dy, [in, out]. */
export function linearWeightGradRef(
  x: Numbers,
  dy: Numbers,
  options: LinearRefOptions,
): Float64Array {
  return conv2dWeightGradRef(x, dy, asConvolution(options));
}
