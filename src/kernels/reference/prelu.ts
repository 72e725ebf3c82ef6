// Plain twin of kernels/assembly/prelu.ts. A single slope applies to all channels.

/** y = x where x > 0, else slope * x. */
export function preluRef(
  x: Float32Array | Float64Array,
  slopes: Float32Array | Float64Array,
): Float64Array {
  return Float64Array.from(x, (v, i) => (v > 0 ? v : slopes[i % slopes.length]! * v));
}

export function preluGradRef(
  dy: Float32Array | Float64Array,
  x: Float32Array | Float64Array,
  slopes: Float32Array | Float64Array,
): { readonly dx: Float64Array; readonly dslopes: Float64Array } {
  const dslopes = new Float64Array(slopes.length);
  const dx = Float64Array.from(dy, (d, i) => {
    const channel = i % slopes.length;
    if (x[i]! > 0) return d;
    dslopes[channel]! += d * x[i]!;
    return slopes[channel]! * d;
  });
  return { dx, dslopes };
}
