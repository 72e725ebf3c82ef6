// The named models and what they are for, with the small ones as sequences. resnet20 is the CIFAR
// form of He et al. 2016, with a projection wherever the shape changes. The large ones are graphs,
// in separate files.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { oneOf, realNumber } from '../../base/values.ts';
import { relu } from '../specs/activations.ts';
import { conv2d } from '../specs/conv2d.ts';
import { flatten } from '../specs/flatten.ts';
import { linear } from '../specs/linear.ts';
import { batchNorm } from '../specs/norms.ts';
import { optionalFlag, shapeOption, size } from '../specs/options.ts';
import { globalAvgPool, maxPool } from '../specs/pools.ts';
import type { GraphSpec, LayerSpec, SequentialSpec } from '../specs/spec.ts';
import { STEMS, type Stem, stemFor } from './blocks.ts';
import { residual, sequential } from './compose.ts';
import { densenet121 } from './densenet.ts';
import { efficientnetB0, type MobileOptions, mobilenetV2, mobilenetV3Small } from './mobile.ts';
import { RESNETS, resnet } from './resnet.ts';
import { unet } from './unet.ts';

/** What a model is made for. */
export interface ModelPurpose {
  /** [H, W, C]. */
  readonly inputShape: Shape;
  /** The number of classes. */
  readonly classes: number;
  /** For resnets: whether the last norm of each residual's body starts with weight 0, which makes
   * each block start as its shortcut (Goyal et al. 2017); default false. */
  readonly zeroInitResidual?: boolean;
  /** Multiplies the channels of all layers, rounded to multiples of 8; default 1. */
  readonly width?: number;
  /** How the model begins: `imagenet` immediately reduces large images, `cifar` keeps the size of
   * small ones. Default by the sides of the image: `imagenet` from 64 pixels on. */
  readonly stem?: Stem;
}

type ModelOption = 'zeroInitResidual' | 'width' | 'stem';

/** A named model: what it is for and how it is built. */
interface NamedModel {
  readonly description: string;
  /** The data that it was published for. */
  readonly purpose: ModelPurpose;
  /** Whether it classifies images or pixels. */
  readonly of: 'image' | 'pixel';
  readonly takes: readonly ModelOption[];
  build(purpose: Required<ModelPurpose>): SequentialSpec | GraphSpec;
}

const CIFAR: ModelPurpose = { inputShape: [32, 32, 3], classes: 10 };
const IMAGENET: ModelPurpose = { inputShape: [224, 224, 3], classes: 1000 };
const MNIST: ModelPurpose = { inputShape: [28, 28, 1], classes: 10 };
const SCALED: readonly ModelOption[] = ['width', 'stem'];

export const MODEL_NAMES = [
  'mnist-cnn',
  'refnet',
  'resnet20',
  'resnet18',
  'resnet34',
  'resnet50',
  'densenet121',
  'mobilenet-v2',
  'mobilenet-v3-small',
  'efficientnet-b0',
  'unet',
] as const;
/** The models that {@link nn} makes by name. */
export type ModelName = (typeof MODEL_NAMES)[number];

const MODELS: Readonly<Record<ModelName, NamedModel>> = {
  'mnist-cnn': {
    description: 'small, for digits; the default',
    purpose: MNIST,
    of: 'image',
    takes: [],
    build: mnistCnn,
  },
  refnet: {
    description: 'tiny, of the benchmarks',
    purpose: MNIST,
    of: 'image',
    takes: [],
    build: refnet,
  },
  resnet20: {
    description: 'residual, for CIFAR',
    purpose: CIFAR,
    of: 'image',
    takes: ['zeroInitResidual'],
    build: resnet20,
  },
  resnet18: resnetModel('resnet18', 'residual, 18 layers'),
  resnet34: resnetModel('resnet34', 'residual, 34 layers'),
  resnet50: resnetModel('resnet50', 'residual, bottlenecks'),
  densenet121: {
    description: 'densely connected',
    purpose: IMAGENET,
    of: 'image',
    takes: SCALED,
    build: ({ inputShape, ...purpose }) => densenet121({ ...purpose, inChannels: inputShape[2]! }),
  },
  'mobilenet-v2': mobileModel('inverted residuals', mobilenetV2),
  'mobilenet-v3-small': mobileModel('with squeeze and excitation', mobilenetV3Small),
  'efficientnet-b0': mobileModel('scaled, with excitation', efficientnetB0),
  unet: {
    description: 'classes of pixels',
    purpose: { inputShape: [64, 64, 3], classes: 11 },
    of: 'pixel',
    takes: ['width'],
    build: unet,
  },
};

function resnetModel(name: keyof typeof RESNETS, description: string): NamedModel {
  return {
    description,
    purpose: IMAGENET,
    of: 'image',
    takes: [...SCALED, 'zeroInitResidual'],
    build: ({ inputShape, ...purpose }) =>
      resnet(RESNETS[name], { ...purpose, inChannels: inputShape[2]! }),
  };
}

function mobileModel(
  description: string,
  build: (options: MobileOptions) => GraphSpec,
): NamedModel {
  return {
    description,
    purpose: IMAGENET,
    of: 'image',
    takes: SCALED,
    build: ({ inputShape, ...purpose }) => build({ ...purpose, inChannels: inputShape[2]! }),
  };
}

/** Whether a model has this name. */
export function isModelName(name: string): name is ModelName {
  return (MODEL_NAMES as readonly string[]).includes(name);
}

/** A short description of a model, and the data that it was published for. */
export function modelCard(name: ModelName): Pick<NamedModel, 'description' | 'purpose' | 'of'> {
  const { description, purpose, of } = MODELS[name];
  return { description, purpose, of };
}

const MAX_WIDTH = 16;
const isWidth = (value: number): boolean => value > 0 && value <= MAX_WIDTH;
const purposeSchema = optionsSchema<ModelPurpose>()({
  inputShape: shapeOption,
  classes: size,
  zeroInitResidual: optionalFlag,
  width: realNumber(`a number above 0, at most ${MAX_WIDTH}`, isWidth).exactOptional(),
  stem: oneOf(STEMS).exactOptional(),
});

/** Builds a named model, with local batch normalization. Throws a {@link UsageError} for unknown
 * names, inputs that are not images, and options that the model does not take.
 *
 * @example
 * nn.namedModel('resnet20', { inputShape: [32, 32, 3], classes: 10 }) // [32, 32, 3] -> [10] */
export function namedModel<Name extends string>(
  name: Name,
  purpose: ModelPurpose,
): Name extends 'mnist-cnn' | 'refnet' | 'resnet20' ? SequentialSpec : SequentialSpec | GraphSpec {
  if (!isModelName(name)) {
    throw new UsageError({
      what: 'name of a model',
      given: name,
      allowed: MODEL_NAMES.join(', '),
      hint: 'one of these, or a .json file with a model',
    });
  }
  const example = "namedModel('refnet', { inputShape: [28, 28, 1], classes: 10 })";
  const checked = parseOptions('namedModel', purposeSchema, purpose, { example });
  const { inputShape, classes, zeroInitResidual = false, width = 1 } = checked;
  if (inputShape.length !== 3) {
    throw new UsageError({
      what: `input of ${name}`,
      given: showShape(inputShape),
      allowed: 'images, HxWxC',
      hint: 'your own model for this data',
    });
  }
  const model: NamedModel = MODELS[name];
  const changed = { zeroInitResidual, width: width !== 1, stem: checked.stem !== undefined };
  for (const [option, isChanged] of Object.entries(changed)) {
    if (!isChanged || model.takes.includes(option as ModelOption)) continue;
    const takers = modelsThatTake(option as ModelOption);
    throw new UsageError({
      what: `${option} of ${name}`,
      problem: 'is not an option of this model',
      hint: takers.join(', '),
    });
  }
  const { stem = stemFor(inputShape) } = checked;
  return model.build({ inputShape, classes, zeroInitResidual, width, stem }) as SequentialSpec;
}

/** The models that have an option. */
export function modelsThatTake(option: ModelOption): readonly ModelName[] {
  const takes = (name: ModelName): readonly ModelOption[] => MODELS[name].takes;
  return MODEL_NAMES.filter((name) => takes(name).includes(option));
}

function refnet({ inputShape, classes }: ModelPurpose): SequentialSpec {
  return sequential([
    ...convNormRelu(inputShape[2]!, 16, 1),
    ...convNormRelu(16, 32, 2),
    ...convNormRelu(32, 32, 1),
    globalAvgPool(),
    linear(32, classes),
  ]);
}

function mnistCnn({ inputShape, classes }: ModelPurpose): SequentialSpec {
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
}

function resnet20({ inputShape, classes, zeroInitResidual }: Required<ModelPurpose>) {
  const lastWeight = zeroInitResidual ? 0 : 1;
  return sequential([
    ...convNormRelu(inputShape[2]!, 16, 1, 'kaimingNormal'),
    ...residualStage(16, 16, 1, lastWeight),
    ...residualStage(16, 32, 2, lastWeight),
    ...residualStage(32, 64, 2, lastWeight),
    globalAvgPool(),
    linear(64, classes),
  ]);
}

const BLOCKS_PER_STAGE = 3;

/** `lastWeight` is the initial weight of the last norm of each body. */
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
