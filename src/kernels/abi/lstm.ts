// The elementwise part of a long short-term memory (Hochreiter and Schmidhuber 1997 with the forget
// gate of Gers et al. 2000, in PyTorch's form), for rows of one time step. Gates are adjacent in a
// row of 4 H float32: input i, forget f, new g, output o. All computations are in float64, rounded
// once at each store; the strict and the fast build give the same bits.

export interface LstmKernels {
  /** i, f, o = sigmoid(input + hidden), g = tanh(input + hidden), next = f cell + i g. `gates`
   * holds the input's part of the four [rows, 4 H] and is overwritten with i, f, g, o; `hidden` is
   * the hidden state's part [rows, 4 H]; cell and next are [rows, H]. */
  lstmCellF32(
    gatesPtr: number,
    hiddenPtr: number,
    cellPtr: number,
    nextPtr: number,
    rows: number,
    size: number,
  ): void;
  /** squashed = tanh(x), h = o squashed, all [rows, H]; `x` is the new cell, possibly normalized,
   * and may be `squashed`. */
  lstmOutputF32(
    xPtr: number,
    gatesPtr: number,
    squashedPtr: number,
    hPtr: number,
    rows: number,
    size: number,
  ): void;
  /** From dh [rows, H]: the gradient of o's pre-activation, in its part of dGates [rows, 4 H], and
   * dx = dh o (1 - squashed^2). */
  lstmOutputGradF32(
    dhPtr: number,
    gatesPtr: number,
    squashedPtr: number,
    dGatesPtr: number,
    dxPtr: number,
    rows: number,
    size: number,
  ): void;
  /** From dnext = dcell + term, the contributions of later time steps and this step's output to the
   * gradient of the new cell: the gradients of the pre-activations of i, f and g in dGates
   * [rows, 4 H]; then dcell = dnext f, the gradient of the previous cell, which overwrites it. */
  lstmCellGradF32(
    dcellPtr: number,
    termPtr: number,
    gatesPtr: number,
    cellPtr: number,
    dGatesPtr: number,
    rows: number,
    size: number,
  ): void;
}
