// The gate order of recurrent layers in ONNX: for each position there, the gate's position here,
// which is PyTorch's.

/** By operator: GRU has z, r, n for our r, z, n; LSTM has i, o, f, g for our i, f, g, o. */
export const GATES = { RNN: [0], GRU: [1, 0, 2], LSTM: [0, 3, 1, 2] } as const;
export type RecurrentOperator = keyof typeof GATES;
