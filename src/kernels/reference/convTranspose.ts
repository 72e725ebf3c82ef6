// Plain twins of the transposed convolution: loops in float64, straight from the definition
// (PyTorch's ConvTranspose2d). Each input is multiplied by the kernel, and the products are added
// to the outputs that they reach. Activations [N, H, W, C], weight [KH, KW, OC/groups, IC].

import type { ConvRefOptions, Numbers } from './conv.ts';

/** The geometry of a transposed convolution; pairs are [height, width]. */
export interface ConvTransposeRefOptions extends ConvRefOptions {
  readonly outputPadding: readonly [number, number];
}

/** [OH, OW] = (size - 1) stride - 2 padding + dilation (kernel - 1) + 1 + outputPadding. */
export function convTransposeOutputSizeRef(
  options: ConvTransposeRefOptions,
): readonly [number, number] {
  const { stride, padding, kernel, dilation, outputPadding } = options;
  const along = (size: number, i: 0 | 1): number => {
    const reach = dilation[i] * (kernel[i] - 1) + 1;
    return (size - 1) * stride[i] - 2 * padding[i] + reach + outputPadding[i];
  };
  return [along(options.height, 0), along(options.width, 1)];
}

/** Calls `visit` for every product x[input] * weight[tap] and the output that it is added to. */
function forEachProduct(
  options: ConvTransposeRefOptions,
  visit: (output: number, input: number, weight: number) => void,
): void {
  const { countSamples, height, width, inChannels, outChannels, groups } = options;
  const { kernel, stride, padding, dilation } = options;
  const [outHeight, outWidth] = convTransposeOutputSizeRef(options);
  const groupIn = inChannels / groups;
  const groupOut = outChannels / groups;
  let input = 0;
  for (let n = 0; n < countSamples; n++) {
    for (let iy = 0; iy < height; iy++) {
      for (let ix = 0; ix < width; ix++) {
        for (let ic = 0; ic < inChannels; ic++) {
          const firstOut = Math.floor(ic / groupIn) * groupOut;
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const oy = iy * stride[0] - padding[0] + ky * dilation[0];
              const ox = ix * stride[1] - padding[1] + kx * dilation[1];
              if (oy < 0 || oy >= outHeight || ox < 0 || ox >= outWidth) continue;
              const pixel = (n * outHeight + oy) * outWidth + ox;
              const tap = ky * kernel[1] + kx;
              for (let oc = 0; oc < groupOut; oc++) {
                const output = pixel * outChannels + firstOut + oc;
                visit(output, input, (tap * groupOut + oc) * inChannels + ic);
              }
            }
          }
          input++;
        }
      }
    }
  }
}

/** y[N, OH, OW, OC]; `bias` may be absent. */
export function convTranspose2dRef(
  x: Numbers,
  weight: Numbers,
  bias: Numbers | undefined,
  options: ConvTransposeRefOptions,
): Float64Array {
  const [outHeight, outWidth] = convTransposeOutputSizeRef(options);
  const { countSamples, outChannels } = options;
  const y = new Float64Array(countSamples * outHeight * outWidth * outChannels);
  forEachProduct(options, (output, input, tap) => {
    y[output] = y[output]! + x[input]! * weight[tap]!;
  });
  return bias === undefined ? y : y.map((sum, i) => sum + bias[i % outChannels]!);
}

/** dx[N, H, W, IC] = sum of dy * weight over the outputs that x contributes to. */
export function convTranspose2dInputGradRef(
  dy: Numbers,
  weight: Numbers,
  options: ConvTransposeRefOptions,
): Float64Array {
  const { countSamples, height, width, inChannels } = options;
  const dx = new Float64Array(countSamples * height * width * inChannels);
  forEachProduct(options, (output, input, tap) => {
    dx[input] = dx[input]! + dy[output]! * weight[tap]!;
  });
  return dx;
}

/** dweight[KH, KW, OC/groups, IC] = sum of x * dy over samples and positions. */
export function convTranspose2dWeightGradRef(
  x: Numbers,
  dy: Numbers,
  options: ConvTransposeRefOptions,
): Float64Array {
  const { kernel, inChannels, outChannels, groups } = options;
  const dweight = new Float64Array((kernel[0] * kernel[1] * inChannels * outChannels) / groups);
  forEachProduct(options, (output, input, tap) => {
    dweight[tap] = dweight[tap]! + x[input]! * dy[output]!;
  });
  return dweight;
}
