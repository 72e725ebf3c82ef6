// Plain twin of kernels/assembly/softmax.ts.

type Numbers = Float32Array | Float64Array;

/** exp(x - max) over its sum, for each row of `columns`. */
export function softmaxRef(x: Numbers, columns: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += columns) {
    const row = Array.from(x.subarray(at, at + columns));
    const exponentials = row.map((v) => Math.exp(v - Math.max(...row)));
    const sum = exponentials.reduce((total, e) => total + e, 0);
    for (const [i, e] of exponentials.entries()) y[at + i] = e / sum;
  }
  return y;
}

/** y (dy - sum of y dy). */
export function softmaxGradRef(dy: Numbers, y: Numbers, columns: number): Float64Array {
  const dx = new Float64Array(y.length);
  for (let at = 0; at < y.length; at += columns) {
    let dot = 0;
    for (let i = at; i < at + columns; i++) dot += y[i]! * dy[i]!;
    for (let i = at; i < at + columns; i++) dx[i] = y[i]! * (dy[i]! - dot);
  }
  return dx;
}
