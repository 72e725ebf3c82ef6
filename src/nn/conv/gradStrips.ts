// Which weight gradients are summed from packed strips (kernels/assembly/convGradStrips.ts), and
// the scratch that they take. The bits are those of the direct sums; only speed differs.

import { sizeOf } from '../../base/shape.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { type ConvAxes, forwardSteps } from './convSteps.ts';

/** The kernel's constants: channels and pixels of a strip, and gradient rows packed at once. */
const STRIP_CHANNELS = 16;
const STRIP_PIXELS = 224;
const STRIP_ROWS = 256;
/** With fewer channels on both sides, pixels are close enough for the cache, and packing costs
 * more. */
const MANY_CHANNELS = 160;
/** With fewer output channels or pixels, too little is summed for what is packed. A band with this
 * many channels has no more pixels than a strip. */
const MIN_OUT_CHANNELS = 32;
const MIN_PIXELS = 32;

/** The floats of the scratch; 0 if the gradient is summed without packing. */
export function gradStripFloats(spec: Conv2dSpec, axes: ConvAxes): number {
  const { inChannels, outChannels, groups, kernel } = spec;
  const isSuited =
    Math.max(inChannels, outChannels) >= MANY_CHANNELS &&
    outChannels / groups >= MIN_OUT_CHANNELS &&
    axes.y.output * axes.x.output >= MIN_PIXELS;
  const isWhole = [forwardSteps(spec, axes).segmentLength, outChannels / groups].every(
    (length) => length % STRIP_CHANNELS === 0,
  );
  if (!isSuited || !isWhole) return 0;
  const rows = (sizeOf(kernel) * inChannels) / groups;
  return STRIP_PIXELS * (STRIP_CHANNELS + Math.min(rows, STRIP_ROWS));
}
