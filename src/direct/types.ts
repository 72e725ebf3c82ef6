// What the norms of `normsFor` take and give. Tensors are float32, channels last, as flat arrays;
// statistics and the gradients of weight and bias are float64.

/** Parameters of one call. */
export interface NormInputs {
  /** One for each channel (layerNorm: for each element of normalizedShape). Default: ones. */
  readonly weight?: Float32Array | undefined;
  /** As many. Default: zeros. */
  readonly bias?: Float32Array | undefined;
  /** Where the output goes, of x's length; one from `group.allocate` saves a copy. Default: a new
   * array. */
  readonly y?: Float32Array | undefined;
}

/** All that backward needs of forward. Plain data; it may be used several times, or never. */
export interface SavedNorm {
  /** The array that was given, no copy: leave it as it is until backward. */
  readonly x: Float32Array;
  /** A copy of the weight, since an optimizer may change that; undefined for ones. */
  readonly weight: Float32Array | undefined;
  /** batchNorm: [channels], of the whole group's batch; groupNorm: [samples, numGroups];
   * instanceNorm: [samples, channels]; layerNorm: [rows]. */
  readonly mean: Float64Array;
  /** 1 / sqrt(biased variance + eps), of mean's shape. */
  readonly invStd: Float64Array;
  /** How many values each mean is of; 0 when the whole group had no rows. */
  readonly count: number;
}

/** What forward returns. */
export interface NormOutput {
  /** The output, of x's length. */
  readonly y: Float32Array;
  /** What backward needs. */
  readonly saved: SavedNorm;
}

/** This rank's own sums, as PyTorch's SyncBatchNorm has them: to be reduced over the ranks like all
 * gradients. */
export interface ParameterGradients {
  /** The sum of dy xhat. */
  readonly weightGrad: Float64Array;
  /** The sum of dy. */
  readonly biasGrad: Float64Array;
}

/** What backward returns. */
export interface NormGradients extends ParameterGradients {
  /** The gradient of the input, of x's length. */
  readonly dx: Float32Array;
}

/** A normalization as functions. It keeps nothing between calls but what it says. */
export interface Norm {
  /** In training. */
  forward(x: Float32Array, inputs?: NormInputs): NormOutput;
  /** In evaluation; y only. `y` may be x itself. */
  evaluate(x: Float32Array, inputs?: NormInputs): Float32Array;
  /** `dx` is where the input's gradient goes, by default a new array; it may be dy itself. */
  backward(
    dy: Float32Array,
    saved: SavedNorm,
    outputs?: { readonly dx?: Float32Array },
  ): NormGradients;
  /** Backward without the input's gradient, for a first layer. */
  parameterGradients(dy: Float32Array, saved: SavedNorm): ParameterGradients;
}

/** Running statistics of PyTorch's meaning: running = (1 - momentum) running + momentum observed,
 * with the unbiased variance of the whole group's batch. The same on all ranks of the group. The
 * arrays may be read, and written to go on from others. */
export interface RunningStatistics {
  /** [channels], from zeros on. */
  readonly runningMean: Float64Array;
  /** [channels], from ones on. */
  readonly runningVar: Float64Array;
  /** [1], from 0 on: how often forward has had rows. */
  readonly numBatchesTracked: Float64Array;
}

/** The gradients of a loss with respect to what backward has returned; those that are absent are
 * zero. */
export interface BackwardCotangents {
  /** Of x's length. */
  readonly dx?: Float32Array;
  /** `[channels]`: with respect to this rank's own sums. */
  readonly weightGrad?: Float64Array;
  /** `[channels]`: likewise. */
  readonly biasGrad?: Float64Array;
}

/** The gradients of that loss with respect to what backward was given. */
export interface DoubleGradients {
  /** Of dy's length. */
  readonly dyGrad: Float32Array;
  /** With respect to the input of forward, of its length. */
  readonly xGrad: Float32Array;
  /** [channels]; this rank's own sums, to be reduced over the ranks like all gradients. */
  readonly weightGrad: Float64Array;
}

/** Batch normalization over the rows of all ranks of a group. All of them make the same calls in
 * the same order, also with no rows: forward, backward and doubleBackward exchange once each,
 * evaluate and parameterGradients never. Forward updates the running statistics. */
export interface BatchNorm extends Norm {
  /** Backward of `backward(dy, saved)`, in training, exact over the rows of all ranks: for losses
   * that contain gradients, such as gradient penalties. `dy` is what backward was given. The loss
   * is the sum of those of all ranks. Formulas: backward of Ioffe and Szegedy 2015 differentiated
   * once more, as PyTorch's batchnorm_double_backward has them. */
  doubleBackward(
    dy: Float32Array,
    saved: SavedNorm,
    gradients: BackwardCotangents,
  ): DoubleGradients;
  /** Undefined without `trackRunningStats`; evaluate then takes this rank's rows alone. */
  readonly state: RunningStatistics | undefined;
}
