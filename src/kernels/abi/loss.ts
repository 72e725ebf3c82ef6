// Losses by sample. What they return is not averaged over samples: the mean over the global batch
// enters the gradient through globalCount. All arithmetic is float64; gradients are rounded
// once. The strict and the fast build give the same bits.

export interface LossKernels {
  /** Cross entropy of softmax(logits), logits float32 [N, classes], labels int32 [N] in [0,
   * classes). The target distribution is t = (1 - labelSmoothing) onehot(label) + labelSmoothing
   * / classes (as in PyTorch); loss[n] = -sum t log softmax, float64 [N]. correct[n] = 1 iff the
   * first of the largest logits is the label's, int32 [N]. dlogits = (softmax - t) / globalCount,
   * float32; not computed when dlogitsPtr is 0. It may be the array of the logits. */
  softmaxCrossEntropyF32(
    logitsPtr: number,
    labelsPtr: number,
    dlogitsPtr: number,
    lossPtr: number,
    correctPtr: number,
    countSamples: number,
    classes: number,
    labelSmoothing: number,
    globalCount: number,
  ): void;
  /** loss[n] = the mean over a sample's `size` elements of (prediction - target)^2, float64 [N].
   * dprediction = 2 (prediction - target) / size / globalCount; not computed when its pointer is
   * 0. */
  meanSquaredErrorF32(
    predictionPtr: number,
    targetPtr: number,
    dpredictionPtr: number,
    lossPtr: number,
    countSamples: number,
    size: number,
    globalCount: number,
  ): void;
}
