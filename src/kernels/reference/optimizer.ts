// Plain twins of kernels/assembly/optimizer.ts: loops over typed arrays in float64 arithmetic,
// straight from the formulas of abi/optimizer.ts. State and parameters are rounded when they are
// stored.

export interface SgdRefOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly gradScale: number;
}

/** `buffer` is undefined if there is no momentum. */
export function sgdStepRef(
  param: Float32Array,
  grad: Float32Array,
  buffer: Float32Array | undefined,
  options: SgdRefOptions,
): void {
  const { lr, momentum, nesterov, weightDecay, gradScale } = options;
  for (let i = 0; i < param.length; i++) {
    let direction = grad[i]! * gradScale + weightDecay * param[i]!;
    if (buffer !== undefined) {
      const average = momentum * buffer[i]! + direction;
      buffer[i] = average;
      direction = nesterov ? direction + momentum * average : average;
    }
    param[i] = param[i]! - lr * direction;
  }
}

export interface AdamRefOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** True: AdamW. */
  readonly decoupled: boolean;
  /** 1 - beta1^t, 1 - beta2^t; t = 1 in the first step. */
  readonly biasCorrection1: number;
  readonly biasCorrection2: number;
  readonly gradScale: number;
}

export function adamStepRef(
  param: Float32Array,
  grad: Float32Array,
  state: { readonly mean: Float32Array; readonly square: Float32Array },
  options: AdamRefOptions,
): void {
  const { lr, beta1, beta2, eps, weightDecay, decoupled, gradScale } = options;
  const rate = lr / options.biasCorrection1;
  for (let i = 0; i < param.length; i++) {
    const before = param[i]!;
    const g = grad[i]! * gradScale + (decoupled ? 0 : weightDecay * before);
    const m = beta1 * state.mean[i]! + (1 - beta1) * g;
    const v = beta2 * state.square[i]! + (1 - beta2) * (g * g);
    state.mean[i] = m;
    state.square[i] = v;
    const change = (rate * m) / (Math.sqrt(v) / Math.sqrt(options.biasCorrection2) + eps);
    param[i] = before * (decoupled ? 1 - lr * weightDecay : 1) - change;
  }
}

export function sumSquaresRef(x: Float32Array): number {
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) sums[i % 4] = sums[i % 4]! + x[i]! ** 2;
  return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
}

export interface RmspropRefOptions {
  readonly lr: number;
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly gradScale: number;
}

/** `mean` is undefined unless it is centered, `buffer` if it has no momentum. */
export function rmspropStepRef(
  param: Float32Array,
  grad: Float32Array,
  state: {
    readonly square: Float32Array;
    readonly mean: Float32Array | undefined;
    readonly buffer: Float32Array | undefined;
  },
  options: RmspropRefOptions,
): void {
  const { lr, alpha, eps, momentum, weightDecay, gradScale } = options;
  const { square, mean, buffer } = state;
  for (let i = 0; i < param.length; i++) {
    const g = grad[i]! * gradScale + weightDecay * param[i]!;
    const v = alpha * square[i]! + (1 - alpha) * (g * g);
    square[i] = v;
    let spread = v;
    if (mean !== undefined) {
      const m = alpha * mean[i]! + (1 - alpha) * g;
      mean[i] = m;
      spread = Math.max(v - m * m, 0);
    }
    let change = g / (Math.sqrt(spread) + eps);
    if (buffer !== undefined) {
      change = momentum * buffer[i]! + change;
      buffer[i] = change;
    }
    param[i] = param[i]! - lr * change;
  }
}

export function averageRef(average: Float32Array, param: Float32Array, rate: number): void {
  for (let i = 0; i < param.length; i++) {
    average[i] = rate * (param[i]! - average[i]!) + average[i]!;
  }
}
export interface LarsRefOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly gradScale: number;
  readonly trust: number;
}

/** `buffer` is undefined if there is no momentum. */
export function larsStepRef(
  param: Float32Array,
  grad: Float32Array,
  buffer: Float32Array | undefined,
  { lr, momentum, weightDecay, gradScale, trust }: LarsRefOptions,
): void {
  for (let i = 0; i < param.length; i++) {
    let change = lr * trust * (grad[i]! * gradScale + weightDecay * param[i]!);
    if (buffer !== undefined) {
      change = momentum * buffer[i]! + change;
      buffer[i] = change;
    }
    param[i] = param[i]! - change;
  }
}

export interface LambRefOptions
  extends Omit<AdamRefOptions, 'decoupled' | 'gradScale'>,
    Pick<LarsRefOptions, 'gradScale' | 'trust'> {}

interface LambRefState {
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

/** Returns the sum of the direction's squares. */
export function lambMomentsRef(
  param: Float32Array,
  grad: Float32Array,
  state: LambRefState,
  options: LambRefOptions,
): number {
  const { beta1, beta2, gradScale } = options;
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < param.length; i++) {
    const g = grad[i]! * gradScale;
    state.mean[i] = beta1 * state.mean[i]! + (1 - beta1) * g;
    state.square[i] = beta2 * state.square[i]! + (1 - beta2) * (g * g);
    const u = lambDirection(param, state, i, options);
    sums[i % 4] = sums[i % 4]! + u * u;
  }
  return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
}

export function lambStepRef(
  param: Float32Array,
  state: LambRefState,
  options: LambRefOptions,
): void {
  const rate = options.lr * options.trust;
  for (let i = 0; i < param.length; i++) {
    param[i] = param[i]! - rate * lambDirection(param, state, i, options);
  }
}

function lambDirection(
  param: Float32Array,
  { mean, square }: LambRefState,
  i: number,
  { eps, weightDecay, biasCorrection1, biasCorrection2 }: LambRefOptions,
): number {
  const root = Math.sqrt(square[i]! / biasCorrection2) + eps;
  return mean[i]! / biasCorrection1 / root + weightDecay * param[i]!;
}

export interface LionRefOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  readonly gradScale: number;
}

export function lionStepRef(
  param: Float32Array,
  grad: Float32Array,
  mean: Float32Array,
  { lr, beta1, beta2, weightDecay, gradScale }: LionRefOptions,
): void {
  for (let i = 0; i < param.length; i++) {
    const g = grad[i]! * gradScale;
    const direction = Math.sign(beta1 * mean[i]! + (1 - beta1) * g);
    mean[i] = beta2 * mean[i]! + (1 - beta2) * g;
    param[i] = param[i]! * (1 - lr * weightDecay) - lr * direction;
  }
}

export function clampRef(x: Float32Array, limit: number): void {
  const most = Math.fround(limit);
  for (let i = 0; i < x.length; i++) x[i] = Math.max(Math.min(x[i]!, most), -most);
}
