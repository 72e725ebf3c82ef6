// Plain twins of kernels/assembly/drop.ts.

export function dropColumnsRef(x: Float32Array, columns: number, scales: Float32Array) {
  return x.map((v, i) => keptRef(v, scales[i % columns]!));
}

export function dropRowsRef(x: Float32Array, columns: number, scales: Float32Array) {
  return x.map((v, i) => keptRef(v, scales[Math.floor(i / columns)]!));
}

function keptRef(x: number, scale: number): number {
  return scale === 0 ? 0 : x * scale;
}
