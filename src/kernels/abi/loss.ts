// Losses per sample. Each sample's loss and gradient are multiplied by its weight, but not
// averaged: the mean over the global batch enters the gradient through globalCount. Weights are
// float64 [N], already divided by their mean over the batch; all 1 if their pointer is 0. A sample
// of weight 0 is left out: its loss, flag and gradient are 0 regardless of its outputs. All
// arithmetic is float64; gradients are rounded once. The strict and the fast build give the same
// bits.

export interface LossKernels {
  /** Cross entropy of softmax(logits), logits float32 [N, positions, classes]: the mean over a
   * sample's positions, such as the pixels of an image; a single label has one position. The
   * target distribution of a position is t = (1 - labelSmoothing) p + labelSmoothing / classes (as
   * in PyTorch), with p from targets float32 [N, positions, classes], or, if their pointer is 0,
   * onehot(label) of labels int32 [N, positions] in [0, classes). Positions with the label
   * `ignoredLabel` add 0 and have no gradient; the mean is still divided by the number of all
   * positions, which weights compensate for. With class weights a, float64 [classes] (all 1 if
   * their pointer is 0), loss[n] = -weight[n] sum t a log softmax / positions, float64 [N], and
   * dlogits = weight[n] (softmax sum(t a) - t a) / positions / globalCount, float32; not computed
   * if dlogitsPtr is 0. It may be the array of the logits. correct[n] = the number of counted
   * positions at which the first of the largest logits is at the label, or at the first of the
   * largest targets, int32 [N]. */
  softmaxCrossEntropyF32(
    logitsPtr: number,
    labelsPtr: number,
    targetsPtr: number,
    dlogitsPtr: number,
    lossPtr: number,
    correctPtr: number,
    weightsPtr: number,
    classWeightsPtr: number,
    countSamples: number,
    positions: number,
    classes: number,
    ignoredLabel: number,
    labelSmoothing: number,
    globalCount: number,
  ): void;
  /** Binary cross entropy of sigmoid(logits), logits and targets float32 [N, size], targets t from
   * 0 to 1. With positive weights a, float64 [size] (all 1 if their pointer is 0), loss[n] =
   * -weight[n] * the mean over a sample's elements of a t log sigmoid(x) + (1 - t) log
   * sigmoid(-x). correct[n] = 1 iff x > 0 for exactly the elements with t > 1/2, int32 [N]. */
  binaryCrossEntropyF32(
    logitsPtr: number,
    targetsPtr: number,
    dlogitsPtr: number,
    lossPtr: number,
    correctPtr: number,
    weightsPtr: number,
    positiveWeightsPtr: number,
    countSamples: number,
    size: number,
    globalCount: number,
  ): void;
  /** A loss l(e) of the differences e = prediction - target, quadratic up to |e| = delta and linear
   * beyond: curvature e^2 / 2, and slope (|e| - delta / 2). loss[n] = weight[n] * the mean over a
   * sample's `size` elements of l(e), float64 [N]; dprediction = weight[n] l'(e) / size /
   * globalCount, not computed if its pointer is 0. Huber's loss has curvature 1 and slope delta,
   * the squared error curvature 2 and infinite delta, the absolute error delta 0 and slope 1. */
  huberF32(
    predictionPtr: number,
    targetPtr: number,
    dpredictionPtr: number,
    lossPtr: number,
    weightsPtr: number,
    countSamples: number,
    size: number,
    globalCount: number,
    curvature: number,
    delta: number,
    slope: number,
  ): void;
}
