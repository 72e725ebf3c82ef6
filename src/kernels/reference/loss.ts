// Plain twins of kernels/assembly/loss.ts: loops over typed arrays in float64 arithmetic, straight
// from the formulas of abi/loss.ts.

export interface CrossEntropyRefOutput {
  /** [N]. */
  readonly loss: Float64Array;
  /** [N]; 1 where the first largest logit is the label's. */
  readonly correct: Int32Array;
  /** [N, classes]. */
  readonly dlogits: Float32Array;
}

export interface CrossEntropyRefOptions {
  readonly classes: number;
  readonly labelSmoothing: number;
  readonly globalCount: number;
}

/** logits [N, classes], labels [N]. */
export function softmaxCrossEntropyRef(
  out: CrossEntropyRefOutput,
  logits: Float32Array,
  labels: Int32Array,
  options: CrossEntropyRefOptions,
): void {
  const { classes, labelSmoothing, globalCount } = options;
  for (let n = 0; n < labels.length; n++) {
    const row = logits.subarray(n * classes, (n + 1) * classes);
    const top = row.reduce((a, b) => Math.max(a, b));
    const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
    out.loss[n] = 0;
    out.correct[n] = row.indexOf(top) === labels[n] ? 1 : 0;
    for (let c = 0; c < classes; c++) {
      const logSoftmax = row[c]! - top - logSum;
      const target = (c === labels[n] ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
      if (target !== 0) out.loss[n] = out.loss[n]! - target * logSoftmax;
      out.dlogits[n * classes + c] = (Math.exp(logSoftmax) - target) * (1 / globalCount);
    }
  }
}

export interface SquaredErrorRefOutput {
  /** [N]. */
  readonly loss: Float64Array;
  /** [N, size]. */
  readonly dprediction: Float32Array;
}

/** prediction and target [N, size]. */
export function meanSquaredErrorRef(
  out: SquaredErrorRefOutput,
  prediction: Float32Array,
  target: Float32Array,
  options: { readonly size: number; readonly globalCount: number },
): void {
  const { size, globalCount } = options;
  for (let n = 0; n < out.loss.length; n++) {
    let sum = 0;
    for (let i = n * size; i < (n + 1) * size; i++) {
      const difference = prediction[i]! - target[i]!;
      sum += difference ** 2;
      out.dprediction[i] = difference * ((2 * (1 / globalCount)) / size);
    }
    out.loss[n] = sum / size;
  }
}
