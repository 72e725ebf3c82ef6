// Models by name. refnet is the reference net of the benchmarks; mnist-cnn the default of the
// command; resnet20 the CIFAR form of He et al. 2016 with a projection where the shape changes.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { relu } from '../specs/activations.ts';
import { conv2d } from '../specs/conv2d.ts';
import { flatten } from '../specs/flatten.ts';
import { linear } from '../specs/linear.ts';
import { batchNorm } from '../specs/norms.ts';
import { optionalFlag, shapeOption, size } from '../specs/options.ts';
import { globalAvgPool, maxPool } from '../specs/pools.ts';
import type { LayerSpec, SequentialSpec } from '../specs/spec.ts';
import { residual, sequential } from './compose.ts';

/** What a model is made for. */
export interface ModelPurpose {
  /** [H, W, C]. */
  readonly inputShape: Shape;
  readonly classes: number;
  /** Of resnet20: whether the last norm of each residual's body starts with weight 0, so that each
   * block starts as its shortcut (Goyal et al. 2017); default false. */
  readonly zeroInitResidual?: boolean;
}

export const MODEL_NAMES = ['mnist-cnn', 'refnet', 'resnet20'] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

const purposeSchema = optionsSchema<ModelPurpose>()({
  inputShape: shapeOption,
  classes: size,
  zeroInitResidual: optionalFlag,
});

/** A model by its name, with local batch normalization. Throws a {@link UsageError} for other names
 * and for inputs that are no images. */
export function namedModel(name: string, purpose: ModelPurpose): SequentialSpec {
  if (!MODEL_NAMES.includes(name as ModelName)) {
    throw new UsageError({
      what: 'name of a model',
      given: name,
      allowed: MODEL_NAMES.join(', '),
      hint: 'one of these, or a .json file with a model',
    });
  }
  const example = "namedModel('refnet', { inputShape: [28, 28, 1], classes: 10 })";
  const checked = parseOptions('namedModel', purposeSchema, purpose, { example });
  if (checked.inputShape.length !== 3) {
    throw new UsageError({
      what: `input of ${name}`,
      given: showShape(checked.inputShape),
      allowed: 'images, HxWxC',
      hint: 'a model of your own for this data',
    });
  }
  if (checked.zeroInitResidual === true && name !== 'resnet20') {
    throw new UsageError({
      what: `zeroInitResidual of ${name}`,
      problem: 'has no residuals to start at zero',
      hint: 'resnet20',
    });
  }
  return builders[name as ModelName](checked);
}

const builders: Readonly<Record<ModelName, (purpose: ModelPurpose) => SequentialSpec>> = {
  refnet: ({ inputShape, classes }) =>
    sequential([
      ...convNormRelu(inputShape[2]!, 16, 1),
      ...convNormRelu(16, 32, 2),
      ...convNormRelu(32, 32, 1),
      globalAvgPool(),
      linear(32, classes),
    ]),

  'mnist-cnn': ({ inputShape, classes }) => {
    const [height, width, channels] = inputShape as readonly [number, number, number];
    const features = Math.floor(height / 4) * Math.floor(width / 4) * 32;
    return sequential([
      ...convNormRelu(channels, 16, 1),
      maxPool({ kernel: 2 }),
      ...convNormRelu(16, 32, 1),
      maxPool({ kernel: 2 }),
      flatten(),
      linear(features, 64, { bias: false }),
      batchNorm(64),
      relu(),
      linear(64, classes),
    ]);
  },

  resnet20({ inputShape, classes, zeroInitResidual = false }) {
    const lastWeight = zeroInitResidual ? 0 : 1;
    return sequential([
      ...convNormRelu(inputShape[2]!, 16, 1, 'kaimingNormal'),
      ...residualStage(16, 16, 1, lastWeight),
      ...residualStage(16, 32, 2, lastWeight),
      ...residualStage(32, 64, 2, lastWeight),
      globalAvgPool(),
      linear(64, classes),
    ]);
  },
};

const BLOCKS_PER_STAGE = 3;

/** `lastWeight` is what the weight of the last norm of each body starts at. */
function residualStage(
  inChannels: number,
  channels: number,
  stride: number,
  lastWeight: number,
): LayerSpec[] {
  const layers: LayerSpec[] = [];
  for (let block = 0; block < BLOCKS_PER_STAGE; block++) {
    const from = block === 0 ? inChannels : channels;
    const step = block === 0 ? stride : 1;
    const body = sequential([
      ...convNormRelu(from, channels, step, 'kaimingNormal'),
      conv2d(channels, channels, { kernel: 3, padding: 1, bias: false, init: 'kaimingNormal' }),
      batchNorm(channels, { weightInit: lastWeight }),
    ]);
    const isSameShape = from === channels && step === 1;
    layers.push(residual(body, isSameShape ? null : projection(from, channels, step)), relu());
  }
  return layers;
}

function projection(inChannels: number, channels: number, stride: number): SequentialSpec {
  return sequential([
    conv2d(inChannels, channels, { kernel: 1, stride, bias: false, init: 'kaimingNormal' }),
    batchNorm(channels),
  ]);
}

function convNormRelu(
  inChannels: number,
  channels: number,
  stride: number,
  init: 'torch' | 'kaimingNormal' = 'torch',
): LayerSpec[] {
  return [
    conv2d(inChannels, channels, { kernel: 3, stride, padding: 1, bias: false, init }),
    batchNorm(channels),
    relu(),
  ];
}
