// Optimizer updates of n float32 parameters in place, state float32, arithmetic float64 with one
// rounding at each store. Numbers that change from step to step are read from memory, since passed
// numbers could be heap-allocated: ratesPtr points to float64 [lr, gradScale, and any others that a
// kernel names]. g = gradScale * gradient. Formulas: PyTorch's documentation of each optimizer. An
// element has the same bits at any position, in strict and fast.

/** The kernels that optimizers call. */
export interface OptimizerKernels {
  /** d = g + weightDecay * p; with momentum b = momentum * b + d, and d = b, or with nesterov d +
   * momentum * b; p -= lr * d. momentumPtr is 0 if there is no momentum; a buffer of zeros gives
   * PyTorch's first step, b = d. */
  sgdStepF32(
    paramPtr: number,
    gradPtr: number,
    momentumPtr: number,
    n: number,
    ratesPtr: number,
    momentum: number,
    nesterov: number,
    weightDecay: number,
  ): void;
  /** Adam: g += weightDecay * p or, if decoupled is 1 (AdamW), p *= 1 - lr * weightDecay. Then m =
   * beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; p -= lr / biasCorrection1 * m /
   * (sqrt(v) / sqrt(biasCorrection2) + eps), biasCorrection_i = 1 - beta_i^t, t = 1 in the first
   * step; both follow gradScale. */
  adamStepF32(
    paramPtr: number,
    gradPtr: number,
    meanPtr: number,
    squarePtr: number,
    n: number,
    ratesPtr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    decoupled: number,
  ): void;
  /** g += weightDecay * p; v = alpha v + (1 - alpha) g^2; s = sqrt(v) + eps or, if meanPtr is not
   * 0, m = m + (1 - alpha) (g - m) and s = sqrt(v - m^2) + eps. Then p -= lr * g / s or, if
   * momentumPtr is not 0, b = momentum * b + g / s and p -= lr * b. */
  rmspropStepF32(
    paramPtr: number,
    gradPtr: number,
    squarePtr: number,
    meanPtr: number,
    momentumPtr: number,
    n: number,
    ratesPtr: number,
    alpha: number,
    eps: number,
    momentum: number,
    weightDecay: number,
  ): void;
  /** average += rate * (p - average); ratePtr points to rate, float64. */
  averageF32(averagePtr: number, paramPtr: number, n: number, ratePtr: number): void;
  /** LARS (You, Gitman and Ginsburg 2017): d = lr * trust * (g + weightDecay * p); with momentum b
   * = momentum * b + d and d = b; p -= d. The trust ratio of the tensor follows gradScale.
   * momentumPtr is 0 if there is no momentum. */
  larsStepF32(
    paramPtr: number,
    gradPtr: number,
    momentumPtr: number,
    n: number,
    ratesPtr: number,
    momentum: number,
    weightDecay: number,
  ): void;
  /** The first half of LAMB (You et al. 2020): m = beta1 m + (1 - beta1) g; v = beta2 v + (1 -
   * beta2) g^2. Writes the sum of u^2 to sumPtr, float64, in the order of {@link sumSquaresF32},
   * with the direction u = m / biasCorrection1 / (sqrt(v / biasCorrection2) + eps) + weightDecay *
   * p computed from the stored m and v. The trust ratio, not read here, and the bias corrections
   * follow gradScale. */
  lambMomentsF32(
    paramPtr: number,
    gradPtr: number,
    meanPtr: number,
    squarePtr: number,
    n: number,
    ratesPtr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    sumPtr: number,
  ): void;
  /** The second half: p -= lr * trust * u, with u as in {@link lambMomentsF32}. */
  lambStepF32(
    paramPtr: number,
    meanPtr: number,
    squarePtr: number,
    n: number,
    ratesPtr: number,
    eps: number,
    weightDecay: number,
  ): void;
  /** Lion (Chen et al. 2023): p = p (1 - lr * weightDecay) - lr * sign(beta1 m + (1 - beta1) g),
   * with sign(0) = 0; then m = beta2 m + (1 - beta2) g. */
  lionStepF32(
    paramPtr: number,
    gradPtr: number,
    meanPtr: number,
    n: number,
    ratesPtr: number,
    beta1: number,
    beta2: number,
    weightDecay: number,
  ): void;
  /** x = min(max(x, -limit), limit) in place, with the limit as a float32; NaN stays NaN. */
  clampF32(xPtr: number, n: number, limit: number): void;
  /** Writes the sum of x^2, float64. Sum j of four covers the elements j, j + 4, j + 8, ...; the
   * result is (sum 0 + sum 1) + (sum 2 + sum 3). */
  sumSquaresF32(xPtr: number, n: number, sumPtr: number): void;
}
