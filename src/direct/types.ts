// The inputs and outputs of the norms of `normsFor`. Tensors are float32, channels last, as flat
// arrays; statistics and the gradients of weight and bias are float64.

/** Parameters of one call. */
export interface NormInputs {
  /** One number per channel (layerNorm: per element of normalizedShape). Default: ones. */
  readonly weight?: Float32Array | undefined;
  /** As many numbers as `weight`. Default: zeros. */
  readonly bias?: Float32Array | undefined;
  /** The array for the output, with the length of x. One from `group.allocate` saves a copy.
   * Default: a new array. */
  readonly y?: Float32Array | undefined;
}

/** Everything that backward needs from forward. Plain data, which may be used several times or
 * never. */
export interface SavedNorm {
  /** The given array, not a copy. Do not change it until backward. */
  readonly x: Float32Array;
  /** A copy of the weight, since an optimizer may change the original; undefined for ones. */
  readonly weight: Float32Array | undefined;
  /** The means. batchNorm: [channels], over the whole group's batch; groupNorm:
   * [samples, numGroups]; instanceNorm: [samples, channels]; layerNorm: [rows]. */
  readonly mean: Float64Array;
  /** 1 / sqrt(biased variance + eps), in the shape of mean. */
  readonly invStd: Float64Array;
  /** The number of values in each mean; 0 if the whole group had no rows. */
  readonly count: number;
}

/** What forward returns. */
export interface NormOutput {
  /** The output, with the length of x. */
  readonly y: Float32Array;
  /** What backward needs. */
  readonly saved: SavedNorm;
}

/** The sums of this rank, as in PyTorch's SyncBatchNorm. Reduce them over the ranks like all
 * gradients. */
export interface ParameterGradients {
  /** The sum of dy xhat. */
  readonly weightGrad: Float64Array;
  /** The sum of dy. */
  readonly biasGrad: Float64Array;
}

/** What backward returns. */
export interface NormGradients extends ParameterGradients {
  /** The gradient of the input, with the length of x. */
  readonly dx: Float32Array;
}

/** A normalization as functions. It keeps no state between calls unless stated. */
export interface Norm {
  /** The forward pass in training. */
  forward(x: Float32Array, inputs?: NormInputs): NormOutput;
  /** The forward pass in evaluation; returns only y. `y` may be x itself. */
  evaluate(x: Float32Array, inputs?: NormInputs): Float32Array;
  /** The backward pass. `dx` is the array for the input gradient, by default a new one; it may be
   * dy itself. */
  backward(
    dy: Float32Array,
    saved: SavedNorm,
    outputs?: { readonly dx?: Float32Array },
  ): NormGradients;
  /** The backward pass without the input gradient, for a first layer. */
  parameterGradients(dy: Float32Array, saved: SavedNorm): ParameterGradients;
}

/** Running statistics as in PyTorch: running = (1 - momentum) running + momentum observed, with the
 * unbiased variance of the whole group's batch. The same on all ranks of the group. The arrays may
 * be read, and written to continue from other values. */
export interface RunningStatistics {
  /** [channels], initially zeros. */
  readonly runningMean: Float64Array;
  /** [channels], initially ones. */
  readonly runningVar: Float64Array;
  /** [1], initially 0: the number of forward calls with rows. */
  readonly numBatchesTracked: Float64Array;
}

/** The gradients of a loss with respect to the results of backward. Absent ones are zero. */
export interface BackwardCotangents {
  /** With respect to dx, with the length of x. */
  readonly dx?: Float32Array;
  /** `[channels]`: with respect to this rank's sums. */
  readonly weightGrad?: Float64Array;
  /** `[channels]`: with respect to this rank's sums. */
  readonly biasGrad?: Float64Array;
}

/** The gradients of that loss with respect to the inputs of backward. */
export interface DoubleGradients {
  /** With respect to dy, with the same length. */
  readonly dyGrad: Float32Array;
  /** With respect to the input of forward, with the same length. */
  readonly xGrad: Float32Array;
  /** Sums of this rank, of shape [channels]. Reduce them over the ranks like all gradients. */
  readonly weightGrad: Float64Array;
}

/** Batch normalization over the rows of all ranks of a group. All ranks must make the same calls in
 * the same order, even without rows: forward, backward and doubleBackward exchange once each,
 * evaluate and parameterGradients never. Forward updates the running statistics. */
export interface BatchNorm extends Norm {
  /** The backward pass of `backward(dy, saved)`, in training, exact over the rows of all ranks, for
   * losses that contain gradients, such as gradient penalties. `dy` is the argument of backward.
   * The loss is the sum over all ranks. Formulas: the backward pass of Ioffe and Szegedy 2015
   * differentiated once more, as in PyTorch's batchnorm_double_backward. */
  doubleBackward(
    dy: Float32Array,
    saved: SavedNorm,
    gradients: BackwardCotangents,
  ): DoubleGradients;
  /** The running statistics; undefined without `trackRunningStats`, in which case evaluate only
   * uses this rank's rows. */
  readonly state: RunningStatistics | undefined;
}
