// Plain twins of kernels/assembly/lstm.ts: one loop over elements in float64, straight from the
// formulas of abi/lstm.ts, for tests and for readers.

type Values = Float32Array | Float64Array;

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The index of the first gate of element i of a state. */
function gateOf(i: number, size: number): number {
  return Math.floor(i / size) * 4 * size + (i % size);
}

/** Replaces the input's part in `gates` [rows, 4 size] with i, f, g, o, and writes `next`
 * [rows, size]. */
export function lstmCellRef(
  next: Values,
  gates: Values,
  hidden: Values,
  cell: Values,
  size: number,
): void {
  for (const k of next.keys()) {
    const at = gateOf(k, size);
    const sum = (gate: number): number => gates[at + gate * size]! + hidden[at + gate * size]!;
    const [i, f, g, o] = [sigmoid(sum(0)), sigmoid(sum(1)), Math.tanh(sum(2)), sigmoid(sum(3))];
    for (const [gate, value] of [i, f, g, o].entries()) gates[at + gate * size] = value;
    next[k] = f * cell[k]! + i * g;
  }
}

/** Writes `squashed` and `h` from `x`, all [rows, size]; `gates` are i, f, g, o. */
export function lstmOutputRef(
  { squashed, h }: { readonly squashed: Values; readonly h: Values },
  x: Values,
  gates: Values,
  size: number,
): void {
  for (const k of h.keys()) {
    squashed[k] = Math.tanh(x[k]!);
    h[k] = gates[gateOf(k, size) + 3 * size]! * squashed[k]!;
  }
}

/** Writes `dx` [rows, size] and the part of `dGates` [rows, 4 size] for o. */
export function lstmOutputGradRef(
  { dx, dGates }: { readonly dx: Values; readonly dGates: Values },
  dh: Values,
  { gates, squashed }: { readonly gates: Values; readonly squashed: Values },
  size: number,
): void {
  for (const k of dx.keys()) {
    const at = gateOf(k, size) + 3 * size;
    const o = gates[at]!;
    dGates[at] = dh[k]! * squashed[k]! * o * (1 - o);
    dx[k] = dh[k]! * o * (1 - squashed[k]! ** 2);
  }
}

/** Writes the parts of `dGates` for i, f and g. `dcell` holds the contribution of later time steps
 * to the gradient of the new cell, and then the gradient of the previous cell. */
export function lstmCellGradRef(
  { dcell, dGates }: { readonly dcell: Values; readonly dGates: Values },
  term: Values,
  { gates, cell }: { readonly gates: Values; readonly cell: Values },
  size: number,
): void {
  for (const k of dcell.keys()) {
    const at = gateOf(k, size);
    const [i, f, g] = [gates[at]!, gates[at + size]!, gates[at + 2 * size]!];
    const dnext = dcell[k]! + term[k]!;
    dGates[at] = dnext * g * i * (1 - i);
    dGates[at + size] = dnext * cell[k]! * f * (1 - f);
    dGates[at + 2 * size] = dnext * i * (1 - g * g);
    dcell[k] = dnext * f;
  }
}
