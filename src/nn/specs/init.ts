// Initial values of parameters. Kaiming: He et al. 2015, "Delving deep into rectifiers"; Xavier:
// Glorot and Bengio 2010. Element i of tensor t depends on (seed, t, i) alone.

import { Purpose, RandomStream } from '../../base/random.ts';

export const WEIGHT_INITS = [
  'torch',
  'kaimingUniform',
  'kaimingNormal',
  'kaimingNormalFanOut',
  'xavierUniform',
  'xavierNormal',
] as const;
/** How weights are initialized: `torch` is PyTorch's default, uniform within 1/sqrt(fanIn); He et
 * al. 2015 (`kaiming...`), Glorot and Bengio 2010 (`xavier...`). */
export type WeightInit = (typeof WEIGHT_INITS)[number];

/** How a parameter is initialized. `fanIn` and `fanOut` count the inputs and outputs of the neuron
 * that an element belongs to. `torch` is PyTorch's default for conv and linear: uniform within
 * +-1/sqrt(fanIn). The kaiming initializers use ReLU's gain of sqrt(2), and fanIn unless their
 * names say fanOut. */
export type Initializer = { readonly kind: 'constant'; readonly value: number } | RandomInitializer;

export interface RandomInitializer {
  readonly kind: WeightInit;
  readonly fanIn: number;
  readonly fanOut: number;
  /** The elements from `lo` up to but not including `hi` are `value` instead. */
  readonly except?: { readonly lo: number; readonly hi: number; readonly value: number };
}

/** Fills a parameter. `tensorIndex` is the parameter's place in the model. */
export function initialize(
  values: Float32Array,
  initializer: Initializer,
  seed: number,
  tensorIndex: number,
): void {
  if (initializer.kind === 'constant') {
    values.fill(initializer.value);
    return;
  }
  const random = new RandomStream().reset(seed, Purpose.init, tensorIndex, 0);
  const { uniform, scale } = distributionOf(initializer);
  for (let i = 0; i < values.length; i++) {
    values[i] = scale * (uniform ? 2 * random.nextUniform() - 1 : random.nextNormal());
  }
  const { except } = initializer;
  if (except !== undefined) values.fill(except.value, except.lo, except.hi);
}

/** The bound of a uniform distribution or the standard deviation of a normal one. */
function distributionOf(initializer: RandomInitializer): {
  readonly uniform: boolean;
  readonly scale: number;
} {
  const { fanIn, fanOut } = initializer;
  switch (initializer.kind) {
    case 'torch':
      return { uniform: true, scale: 1 / Math.sqrt(fanIn) };
    case 'kaimingUniform':
      return { uniform: true, scale: Math.sqrt(6 / fanIn) };
    case 'kaimingNormal':
      return { uniform: false, scale: Math.sqrt(2 / fanIn) };
    case 'kaimingNormalFanOut':
      return { uniform: false, scale: Math.sqrt(2 / fanOut) };
    case 'xavierUniform':
      return { uniform: true, scale: Math.sqrt(6 / (fanIn + fanOut)) };
    case 'xavierNormal':
      return { uniform: false, scale: Math.sqrt(2 / (fanIn + fanOut)) };
  }
}
