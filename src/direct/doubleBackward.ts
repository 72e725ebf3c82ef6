// Backward of the backward pass of batch normalization, for losses that contain gradients, such as
// gradient penalties. Derived by differentiating the backward pass of Ioffe and Szegedy 2015 once
// more; PyTorch's batchnorm_double_backward computes the same. Plain float64 loops, since this runs
// at most once per step, on a few layers.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import { reduce } from '../reduce/reduction.ts';
import type { Group } from '../sync/group.ts';
import { bindExchange } from './exchange.ts';
import type { BackwardCotangents, DoubleGradients, SavedNorm } from './types.ts';
import type { Workspace } from './workspace.ts';

/** Sums of each channel over the rows of all ranks, in this order. Here g is dy, u is the gradient
 * of dx, and q that of this rank's weightGrad. */
const SUM_NAMES = ['g', 'gX', 'u', 'uX', 'ug', 'qg', 'qgX'] as const;
type Sums = { readonly [Name in (typeof SUM_NAMES)[number]]: Float64Array };
/** The number of vectors that are exchanged; an exchange of sums takes pairs. */
const VECTORS = SUM_NAMES.length + 1;

/** The data of a call. */
interface DoubleCall {
  readonly dy: Float32Array;
  readonly saved: SavedNorm;
  readonly given: BackwardCotangents;
}

/** Returns the pass, which exchanges once. */
export function bindDoubleBackward(
  work: Workspace,
  options: { readonly group: Group; readonly channels: number; readonly label: string },
): (call: DoubleCall) => DoubleGradients {
  const { channels } = options;
  const exchange = bindExchange(work, {
    ...options,
    combine: 'sums',
    channels: (VECTORS / 2) * channels,
  });
  const sumsAt = (ptr: number): Sums => {
    const from = ptr / DOUBLE_BYTES;
    const vectors = SUM_NAMES.map((name, i) => {
      const start = from + i * channels;
      return [name, work.doubles.subarray(start, start + channels)] as const;
    });
    return Object.fromEntries(vectors) as unknown as Sums;
  };
  const own = sumsAt(exchange.leafPtr(0));
  const total = sumsAt(exchange.groupPtrs[0]!);
  return (call) => {
    addUp(call, own, channels);
    reduce(exchange);
    return differentiate(call, total, channels);
  };
}

/** Fills this rank's sums. */
function addUp({ dy, saved, given }: DoubleCall, own: Sums, channels: number): void {
  const { x, mean, invStd } = saved;
  for (const sum of Object.values(own)) sum.fill(0);
  for (let i = 0; i < x.length; i++) {
    const c = i % channels;
    const xhat = (x[i]! - mean[c]!) * invStd[c]!;
    const g = dy[i]!;
    const u = given.dx?.[i] ?? 0;
    own.g[c]! += g;
    own.gX[c]! += g * xhat;
    own.u[c]! += u;
    own.uX[c]! += u * xhat;
    own.ug[c]! += u * g;
  }
  for (let c = 0; c < channels; c++) {
    const q = given.weightGrad?.[c] ?? 0;
    own.qg[c] = q * own.g[c]!;
    own.qgX[c] = q * own.gX[c]!;
  }
}

/** With P(v) = v - mean(v) - xhat mean(v xhat), s = invStd and means over all M rows, backward is
 * dx = w s P(g), and L = sum(u dx) + sum(q g xhat) + sum(r g) is differentiated. Its derivative by
 * g is w s P(u) + q xhat + r, by w it is sum(u s P(g)), and by x it is s P(h) - w s^2 xhat sum(u
 * P(g)) / M, where h = q g - w s (u mean(g xhat) + g mean(u xhat)) is the derivative by xhat. */
function differentiate(call: DoubleCall, sums: Sums, channels: number): DoubleGradients {
  const { dy, given, saved } = call;
  const { x, mean, invStd, count } = saved;
  const dyGrad = new Float32Array(x.length);
  const xGrad = new Float32Array(x.length);
  const weightGrad = new Float64Array(channels);
  for (let c = 0; c < channels && x.length > 0; c++) {
    const w = saved.weight?.[c] ?? 1;
    const s = invStd[c]!;
    const q = given.weightGrad?.[c] ?? 0;
    const r = given.biasGrad?.[c] ?? 0;
    const [gMean, gXMean] = [sums.g[c]! / count, sums.gX[c]! / count];
    const [uMean, uXMean] = [sums.u[c]! / count, sums.uX[c]! / count];
    const uPgMean = sums.ug[c]! / count - uMean * gMean - uXMean * gXMean;
    const hMean = sums.qg[c]! / count - w * s * (uMean * gXMean + gMean * uXMean);
    const hXMean = sums.qgX[c]! / count - 2 * w * s * uXMean * gXMean;
    for (let i = c; i < x.length; i += channels) {
      const xhat = (x[i]! - mean[c]!) * s;
      const g = dy[i]!;
      const u = given.dx?.[i] ?? 0;
      const h = q * g - w * s * (u * gXMean + g * uXMean);
      dyGrad[i] = w * s * (u - uMean - xhat * uXMean) + q * xhat + r;
      xGrad[i] = s * (h - hMean - xhat * (hXMean + w * s * uPgMean));
      weightGrad[c]! += u * s * (g - gMean - xhat * gXMean);
    }
  }
  return { dyGrad, xGrad, weightGrad };
}
