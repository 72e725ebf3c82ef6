// The variance of data with a mean much larger than its deviations: ours and PyTorch's, compared
// with exact rational arithmetic on the same float32 numbers.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { batchNorm } from '../src/nn/specs/norms.ts';
import { runLayer } from '../test/support/layers/harness.ts';
import { normalValues } from './normalValues.ts';
import type { TorchLayers } from './torchLayers.ts';

const CHANNELS = 16;
const ROWS = 4096;
const SMOKE_ROWS = 256;
/** Number of merged replicas. */
const SHARDS = 4;

const DATA: Readonly<Record<string, (normal: number) => number>> = {
  'N(0, 1)': (normal) => normal,
  '10^6 + N(0, 1)': (normal) => 1e6 + normal,
  '1 + 10^-4 N(0, 1)': (normal) => 1 + 1e-4 * normal,
};

export interface ConditioningResult {
  readonly bench: 'conditioning';
  readonly data: string;
  /** Worst relative error of the unbiased variance of a channel. */
  readonly relativeError: number;
  /** Null without PyTorch. */
  readonly torchRelativeError: number | null;
}

export async function measureConditioning(
  isSmoke: boolean,
  torch: TorchLayers | undefined,
  report: (result: ConditioningResult) => void,
): Promise<readonly ConditioningResult[]> {
  const rows = isSmoke ? SMOKE_ROWS : ROWS;
  const results: ConditioningResult[] = [];
  for (const [data, make] of Object.entries(DATA)) {
    const x = normalValues(rows * CHANNELS, 1).map(make);
    const exact = Array.from({ length: CHANNELS }, (_, channel) =>
      exactVariance(x.filter((_value, i) => i % CHANNELS === channel)),
    );
    const worst = (found: ArrayLike<number>): number =>
      Math.max(...exact.map((variance, c) => Math.abs(found[c]! / variance - 1)));
    const theirs = torch === undefined ? undefined : await torchVariances(torch, x);
    const result: ConditioningResult = {
      bench: 'conditioning',
      data,
      relativeError: worst(ourVariances(x, rows)),
      torchRelativeError: theirs === undefined ? null : worst(theirs),
    };
    report(result);
    results.push(result);
  }
  return results;
}

/** Through the whole layer, synchronized over shards: with momentum 1, the running variance is the
 * observed one. */
function ourVariances(x: Float32Array, rows: number): ArrayLike<number> {
  const { buffers } = runLayer({
    spec: batchNorm(CHANNELS, { sync: 'all', momentum: 1 }),
    inputShape: [CHANNELS],
    shards: new Array<number>(SHARDS).fill(rows / SHARDS),
    x,
    dy: new Float32Array(x.length),
  });
  return buffers['batchNorm.runningVar']!;
}

async function torchVariances(
  torch: TorchLayers,
  x: Float32Array,
): Promise<readonly number[] | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-conditioning-'));
  try {
    const file = join(folder, 'x.f32');
    writeFileSync(file, x);
    return (await torch.variance(file, CHANNELS))?.variance;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every finite float32 number is an integer multiple of 2^-149. */
const FLOAT32_SCALE_BITS = 149;
/** Digits of the quotient, far beyond float64's. */
const QUOTIENT_BITS = 200n;

/** (n sum x^2 - (sum x)^2) / (n (n - 1)), rounded once at the end. */
export function exactVariance(values: Float32Array): number {
  const n = BigInt(values.length);
  let sum = 0n;
  let squares = 0n;
  for (const value of values) {
    const whole = scaledUp(value);
    sum += whole;
    squares += whole * whole;
  }
  const scaled = ((n * squares - sum * sum) << QUOTIENT_BITS) / (n * (n - 1n));
  // The scale of 2^149, squared, and the quotient's digits, in steps that float64 can represent.
  const bits = 2 * FLOAT32_SCALE_BITS + Number(QUOTIENT_BITS);
  const spare = BigInt(Math.max(0, scaled.toString(2).length - 64));
  return Number(scaled >> spare) * 2 ** (Number(spare) - bits);
}

/** value 2^149, without intermediate rounding. */
function scaledUp(value: number): bigint {
  const half = 2 ** 74;
  // Both factors are powers of two, and the product stays below float64's largest number.
  return BigInt(value * half * half * 2);
}
