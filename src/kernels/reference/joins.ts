// Plain twins of kernels/assembly/joins.ts: loops over typed arrays in float64 arithmetic, straight
// from the formulas of abi/joins.ts. Layout [N, P, C].

export interface GateRefOptions {
  readonly countSamples: number;
  readonly countPixels: number;
  readonly channels: number;
}

export function multiply(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value * b[i]!);
}

export function gate(x: Float32Array, g: Float32Array, options: GateRefOptions): Float32Array {
  return x.map((value, i) => value * g[gateOf(i, options)]!);
}

export function gateGrad(dy: Float32Array, x: Float32Array, options: GateRefOptions): Float32Array {
  const sums = new Float64Array(options.countSamples * options.channels);
  for (const [i, value] of x.entries()) sums[gateOf(i, options)]! += dy[i]! * value;
  return Float32Array.from(sums);
}

function gateOf(i: number, { countPixels, channels }: GateRefOptions): number {
  return Math.floor(i / (countPixels * channels)) * channels + (i % channels);
}
