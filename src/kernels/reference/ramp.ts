// Plain twins of kernels/assembly/ramp.ts for the layers that it computes, with explicit float32
// roundings, so that bits are equal.

import { mapGradient, mapInto } from './pointwise.ts';

const { fround } = Math;
const SIXTH = fround(1 / 6);

function relu6(x: number): number {
  return Math.min(Math.max(x, 0), 6);
}

/** relu6(x + 3) / 6. */
function gate(x: number): number {
  return fround(relu6(fround(x + 3)) * SIXTH);
}

export function relu6Ref(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, relu6);
}

export function relu6GradRef(dx: Float32Array, dy: Float32Array, y: Float32Array): void {
  mapGradient(dx, dy, y, (d, v) => (v <= 0 || v >= 6 ? 0 : d));
}

export function hardSigmoidRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, gate);
}

export function hardSigmoidGradRef(dx: Float32Array, dy: Float32Array, y: Float32Array): void {
  mapGradient(dx, dy, y, (d, v) => (v <= 0 || v >= 1 ? 0 : d * SIXTH));
}

export function hardSwishRef(y: Float32Array, x: Float32Array): void {
  mapInto(y, x, (v) => v * gate(v));
}

export function hardSwishGradRef(dx: Float32Array, dy: Float32Array, x: Float32Array): void {
  mapGradient(dx, dy, x, (d, v) => {
    const h = gate(v);
    return d * (h <= 0 || h >= 1 ? h : fround(h + fround(v * SIXTH)));
  });
}
