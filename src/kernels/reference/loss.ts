// Plain twins of kernels/assembly/loss.ts: loops over typed arrays in float64 arithmetic, straight
// from the formulas of abi/loss.ts.

/** The outputs of a loss. */
export interface LossRefOutput {
  /** [N]. */
  readonly loss: Float64Array;
  /** [N]; only written by losses that know whether a sample is correct. */
  readonly correct: Int32Array;
  /** [N, size]. */
  readonly gradient: Float32Array;
}

/** The options of all losses; each sample has `size` values. */
export interface LossRefOptions {
  readonly size: number;
  readonly globalCount: number;
  /** [N]; default all 1. */
  readonly weights?: Float64Array;
}

interface Element {
  readonly value: number;
  readonly slope: number;
}

/** A loss that is the mean over a sample's elements; sample n has values [from, to). */
function meanOverElements(
  out: LossRefOutput,
  { size, globalCount, weights }: LossRefOptions,
  elementAt: (at: number, column: number) => Element,
): void {
  for (let n = 0; n < out.loss.length; n++) {
    const weight = weights?.[n] ?? 1;
    const elements = Array.from({ length: size }, (_, column) =>
      weight === 0 ? { value: 0, slope: 0 } : elementAt(n * size + column, column),
    );
    out.loss[n] = (weight * elements.reduce((sum, { value }) => sum + value, 0)) / size;
    for (const [column, { slope }] of elements.entries()) {
      out.gradient[n * size + column] = (weight * slope) / size / globalCount;
    }
  }
}

/** logits [N, positions, classes]; targets are labels [N, positions], with `ignoredLabel` left out,
 * or distributions [N, positions, classes]. */
export function softmaxCrossEntropyRef(
  out: LossRefOutput,
  logits: Float32Array,
  targets: Int32Array | Float32Array,
  options: LossRefOptions & {
    readonly labelSmoothing: number;
    readonly classWeights?: Float64Array;
    /** Default 1. */
    readonly positions?: number;
    readonly ignoredLabel?: number;
  },
): void {
  const { size: classes, labelSmoothing, globalCount, classWeights, positions = 1 } = options;
  out.loss.fill(0);
  out.correct.fill(0);
  for (let at = 0; at < out.loss.length * positions; at++) {
    const n = Math.floor(at / positions);
    const from = at * classes;
    const isLeftOut = targets instanceof Int32Array && targets[at] === options.ignoredLabel;
    const weight = isLeftOut ? 0 : (options.weights?.[n] ?? 1);
    const row = logits.subarray(from, from + classes);
    const given =
      targets instanceof Int32Array
        ? Float32Array.from(row, (_, c) => (c === targets[at] ? 1 : 0))
        : targets.subarray(from, from + classes);
    const top = row.reduce((a, b) => Math.max(a, b));
    const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
    const shares = Array.from(given, (share, c) => {
      const smooth = (1 - labelSmoothing) * share + labelSmoothing / classes;
      return smooth * (classWeights?.[c] ?? 1);
    });
    const mass = shares.reduce((sum, share) => sum + share, 0);
    const isRight = row.indexOf(top) === given.indexOf(Math.max(...given));
    if (weight !== 0 && isRight) out.correct[n]!++;
    for (const [c, share] of shares.entries()) {
      const logSoftmax = row[c]! - top - logSum;
      if (share !== 0 && weight !== 0) {
        out.loss[n]! -= (weight * share * logSoftmax) / positions;
      }
      const slope = weight === 0 ? 0 : weight * (mass * Math.exp(logSoftmax) - share);
      out.gradient[from + c] = slope / positions / globalCount;
    }
  }
}

/** logits and targets [N, size]. */
export function binaryCrossEntropyRef(
  out: LossRefOutput,
  logits: Float32Array,
  targets: Float32Array,
  options: LossRefOptions & { readonly positiveWeights?: Float64Array },
): void {
  const { size, weights, positiveWeights } = options;
  meanOverElements(out, options, (at, column) => {
    const [x, t] = [logits[at]!, targets[at]!];
    const share = (positiveWeights?.[column] ?? 1) * t;
    const sigmoid = 1 / (1 + Math.exp(-x));
    const value = share * Math.log1p(Math.exp(-x)) + (1 - t) * Math.log1p(Math.exp(x));
    return { value, slope: (1 - t) * sigmoid - share * (1 - sigmoid) };
  });
  for (let n = 0; n < out.loss.length; n++) {
    const row = logits.subarray(n * size, (n + 1) * size);
    const isRight = row.every((x, i) => x > 0 === targets[n * size + i]! > 0.5);
    out.correct[n] = weights?.[n] !== 0 && isRight ? 1 : 0;
  }
}

/** prediction and target [N, size]. */
export function huberRef(
  out: Omit<LossRefOutput, 'correct'>,
  prediction: Float32Array,
  target: Float32Array,
  options: LossRefOptions & {
    readonly curvature: number;
    readonly delta: number;
    readonly slope: number;
  },
): void {
  const { curvature, delta, slope } = options;
  meanOverElements({ correct: new Int32Array(0), ...out }, options, (at) => {
    const e = prediction[at]! - target[at]!;
    if (Math.abs(e) <= delta) return { value: (curvature * e ** 2) / 2, slope: curvature * e };
    return { value: slope * (Math.abs(e) - delta / 2), slope: slope * Math.sign(e) };
  });
}
