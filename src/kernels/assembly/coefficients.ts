// Coefficients of one normalization, float64: mean[C], scale[C], shift[C], invStd[C]. Inlined, not
// exported from the binary.

@inline
export function storeCoefficients(
  ptr: usize,
  arrayBytes: usize,
  mean: f64,
  invStd: f64,
  weight: f64,
  bias: f64,
): void {
  f64.store(ptr, mean);
  f64.store(ptr + arrayBytes, invStd * weight);
  f64.store(ptr + 2 * arrayBytes, bias);
  f64.store(ptr + 3 * arrayBytes, invStd);
}
