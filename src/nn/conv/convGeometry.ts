// Where the taps of a convolution are: pure index math, shared by the forward pass, the weight
// gradient and the input gradient. The input gradient of a convolution with stride s is s*s
// convolutions of stride 1 over dy, one for each phase (iy mod s, ix mod s): each uses the kernel
// taps that reach that phase.

import type { Shape } from '../../base/shape.ts';
import type { Padding, Pair } from '../specs/options.ts';

/** One axis of a convolution, sizes in elements. */
export interface ConvAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  /** Zeros before and after the input. */
  readonly before: number;
  readonly after: number;
  readonly dilation: number;
}

/** The taps that reach the input positions start, start + stride, ... of one axis. */
export interface AxisPhase {
  /** First input position of the phase, and how many there are. */
  readonly start: number;
  readonly count: number;
  /** Kernel indices, in the order in which their dy positions ascend. */
  readonly taps: readonly number[];
  /** The dy position of the first tap for the first input position. It may be negative. */
  readonly first: number;
  /** Distance between neighboring taps in dy. */
  readonly step: number;
}

/** Windows over an image; pairs are [height, width]. */
export interface Windows {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** Default 1. */
  readonly dilation?: Pair;
}

/** The geometry of windows along one axis of an image. */
export function axisOf(windows: Windows, image: Shape, i: 0 | 1): ConvAxis {
  const size = {
    input: image[i]!,
    kernel: windows.kernel[i],
    stride: windows.stride[i],
    dilation: windows.dilation?.[i] ?? 1,
  };
  const axis = { ...size, ...zerosAlong(windows.padding, size, i) };
  return { ...axis, output: convOutputSize(axis) };
}

/** The zeros before and after an axis. With `same` there are as many as the last of ceil(input /
 * stride) windows reaches beyond the input. */
function zerosAlong(
  padding: Padding,
  { input, kernel, stride, dilation }: Omit<ConvAxis, 'output' | 'before' | 'after'>,
  i: 0 | 1,
): Pick<ConvAxis, 'before' | 'after'> {
  if (padding === 'same') {
    const last = (Math.ceil(input / stride) - 1) * stride;
    const zeros = Math.max(0, last + dilation * (kernel - 1) + 1 - input);
    const before = Math.floor(zeros / 2);
    return { before, after: zeros - before };
  }
  if ('top' in padding) {
    const { top, bottom, left, right } = padding;
    return i === 0 ? { before: top, after: bottom } : { before: left, after: right };
  }
  return { before: padding[i], after: padding[i] };
}

/** The output size of an axis: floor((input + before + after - dilation (kernel - 1) - 1) / stride)
 * + 1. */
export function convOutputSize(axis: Omit<ConvAxis, 'output'>): number {
  const reach = axis.dilation * (axis.kernel - 1) + 1;
  return Math.floor((axis.input + axis.before + axis.after - reach) / axis.stride) + 1;
}

/** The phases of one axis; together they hold every input position once. */
export function axisPhases(axis: ConvAxis): readonly AxisPhase[] {
  const phases: AxisPhase[] = [];
  for (let start = 0; start < Math.min(axis.stride, axis.input); start++) {
    const reached: { tap: number; position: number }[] = [];
    for (let tap = axis.kernel - 1; tap >= 0; tap--) {
      const numerator = start + axis.before - tap * axis.dilation;
      if (modulo(numerator, axis.stride) === 0) {
        reached.push({ tap, position: numerator / axis.stride });
      }
    }
    phases.push({
      start,
      count: Math.ceil((axis.input - start) / axis.stride),
      taps: reached.map((entry) => entry.tap),
      first: reached[0]?.position ?? 0,
      step: reached.length > 1 ? reached[1]!.position - reached[0]!.position : 1,
    });
  }
  return phases;
}

/** The outputs for which a tap meets an input inside the image. */
export function outputsOfTap(
  { input, output, stride, dilation, before }: ConvAxis,
  tap: number,
): { readonly first: number; readonly count: number } {
  const offset = tap * dilation - before;
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(output - 1, Math.floor((input - 1 - offset) / stride));
  return { first, count: Math.max(0, last - first + 1) };
}

/** Positions on one side of a convolution (`to`) and the taps that connect them to positions on the
 * other side (`from`). Positions outside are omitted. */
export interface Reach {
  /** The first position, and the number of adjacent positions. */
  readonly to: number;
  readonly count: number;
  /** The position that the first tap of the first position meets, and the distance to the one that
   * the next position meets. */
  readonly from: number;
  readonly fromStep: number;
  /** The first tap, the number of taps, and the distance between them. */
  readonly tap: number;
  readonly taps: number;
  readonly tapStep: number;
  /** The distance between the positions that adjacent taps meet. */
  readonly inputStep: number;
}

/** The inputs that the outputs meet: output o meets input o stride + tap dilation - before. */
export function reachOfOutputs(axis: ConvAxis): readonly Reach[] {
  const { input, output, kernel, stride, dilation, before } = axis;
  return reaches(output, kernel, stride, (position, tap) => {
    const met = position * stride + tap * dilation - before;
    return met >= 0 && met < input ? met : undefined;
  });
}

/** The outputs that the inputs meet. */
export function reachOfInputs(axis: ConvAxis): readonly Reach[] {
  const { input, output, kernel, stride, dilation, before } = axis;
  return reaches(input, kernel, 1, (position, tap) => {
    const met = (position + before - tap * dilation) / stride;
    return Number.isInteger(met) && met >= 0 && met < output ? met : undefined;
  });
}

/** Joins adjacent positions that use the same taps, each one `fromStep` further. */
function reaches(
  positions: number,
  kernel: number,
  fromStep: number,
  meet: (position: number, tap: number) => number | undefined,
): readonly Reach[] {
  const found: Reach[] = [];
  for (let position = 0; position < positions; position++) {
    const met = Array.from({ length: kernel }, (_, tap) => ({ tap, at: meet(position, tap) }));
    const inside = met.filter(
      (entry): entry is { tap: number; at: number } => entry.at !== undefined,
    );
    const [first, second] = inside;
    const reach: Reach = {
      ...{ to: position, count: 1, from: first?.at ?? 0, fromStep },
      ...{ tap: first?.tap ?? 0, taps: inside.length },
      tapStep: second === undefined ? 1 : second.tap - first!.tap,
      inputStep: second === undefined ? 1 : second.at - first!.at,
    };
    const last = found.at(-1);
    if (last !== undefined && continues(last, reach)) {
      found[found.length - 1] = { ...last, count: last.count + 1 };
    } else found.push(reach);
  }
  return found;
}

function continues(last: Reach, { from, tap, taps, tapStep, inputStep }: Reach): boolean {
  return (
    last.tap === tap &&
    last.taps === taps &&
    last.tapStep === tapStep &&
    last.inputStep === inputStep &&
    last.from + last.count * last.fromStep === from
  );
}

/** The number of zeros needed before and after dy so that all taps of all phases are inside. */
export function gradientBorder(
  axis: ConvAxis,
  phases: readonly AxisPhase[],
): { readonly before: number; readonly after: number } {
  let before = 0;
  let after = 0;
  for (const phase of phases) {
    if (phase.taps.length === 0) continue;
    const last = phase.first + (phase.taps.length - 1) * phase.step + phase.count - 1;
    before = Math.max(before, -phase.first);
    after = Math.max(after, last - (axis.output - 1));
  }
  return { before, after };
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
