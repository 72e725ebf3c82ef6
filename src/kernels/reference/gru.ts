// Plain twins of kernels/assembly/gru.ts: one loop over elements in float64, straight from the
// formulas of abi/gru.ts, for tests and for readers.

type Values = Float32Array | Float64Array;

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Replaces the input's part in `gates` [rows, 3 size] with r, z, n, and writes `next`
 * [rows, size]. */
export function gruCellRef(
  next: Values,
  gates: Values,
  hidden: Values,
  h: Values,
  size: number,
): void {
  for (let i = 0; i < next.length; i++) {
    const at = Math.floor(i / size) * 3 * size + (i % size);
    const r = sigmoid(gates[at]! + hidden[at]!);
    const z = sigmoid(gates[at + size]! + hidden[at + size]!);
    const n = Math.tanh(gates[at + 2 * size]! + r * hidden[at + 2 * size]!);
    gates[at] = r;
    gates[at + size] = z;
    gates[at + 2 * size] = n;
    next[i] = n + z * (h[i]! - n);
  }
}

export interface GruCellGradRef {
  readonly size: number;
  /** Holds the gradient of the next state, and then the direct gradient of the previous state. */
  readonly dh: Values;
  readonly dInput: Values;
  readonly dHidden: Values;
}

/** `gates` are r, z, n; `hidden` is the hidden state's part, as in {@link gruCellRef}. */
export function gruCellGradRef(
  { size, dh, dInput, dHidden }: GruCellGradRef,
  gates: Values,
  hidden: Values,
  h: Values,
): void {
  for (let i = 0; i < dh.length; i++) {
    const at = Math.floor(i / size) * 3 * size + (i % size);
    const [r, z, n] = [gates[at]!, gates[at + size]!, gates[at + 2 * size]!];
    const dn = dh[i]! * (1 - z) * (1 - n * n);
    const dz = dh[i]! * (h[i]! - n) * z * (1 - z);
    const dr = dn * hidden[at + 2 * size]! * r * (1 - r);
    dInput[at] = dr;
    dInput[at + size] = dz;
    dInput[at + 2 * size] = dn;
    dHidden[at] = dr;
    dHidden[at + size] = dz;
    dHidden[at + 2 * size] = dn * r;
    dh[i] = dh[i]! * z;
  }
}
