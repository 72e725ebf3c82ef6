// The elementwise part of a gated recurrent unit (Cho et al. 2014, in PyTorch's form), for rows of
// one time step. Gates are adjacent in a row of 3 H float32: reset r, update z, new n. All
// computations are in float64, rounded once at each store; the strict and the fast build give the
// same bits.

export interface GruKernels {
  /** r = sigmoid(ir + hr), z = sigmoid(iz + hz), n = tanh(in + r hn), next = n + z (h - n). `gates`
   * holds the input's part ir, iz, in [rows, 3 H] and is overwritten with r, z, n; `hidden` is the
   * hidden state's part hr, hz, hn [rows, 3 H], h and next are [rows, H]. */
  gruCellF32(
    gatesPtr: number,
    hiddenPtr: number,
    hPtr: number,
    nextPtr: number,
    rows: number,
    size: number,
  ): void;
  /** From dnext in dhPtr [rows, H]: dInput = dir, diz, din and dHidden = dhr, dhz, dhn, each
   * [rows, 3 H]; then dh = dnext z, the direct gradient of h, which overwrites dnext. */
  gruCellGradF32(
    dhPtr: number,
    gatesPtr: number,
    hiddenPtr: number,
    hPtr: number,
    dInputPtr: number,
    dHiddenPtr: number,
    rows: number,
    size: number,
  ): void;
}
