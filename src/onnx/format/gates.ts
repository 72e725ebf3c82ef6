// The gates of recurrent layers in ONNX: for each place in its order, the place that the gate has
// here, which is PyTorch's.

/** By operator: GRU has z, r, n, where r, z, n is ours; LSTM i, o, f, g, where i, f, g, o is. */
export const GATES = { RNN: [0], GRU: [1, 0, 2], LSTM: [0, 3, 1, 2] } as const;
export type RecurrentOperator = keyof typeof GATES;
