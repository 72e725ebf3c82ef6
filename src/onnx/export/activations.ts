// Writes activations: operators of opset 17, with gelu and silu as several nodes. Elementwise ones
// take channels in any position.

import type {
  ActivationSpec,
  EluSpec,
  GeluSpec,
  LeakyReluSpec,
  PreluSpec,
  SoftmaxSpec,
} from '../../nn/specs/activations.ts';
import { float, int, type OnnxAttributes } from '../format/model.ts';
import type { Emitter } from './emitter.ts';
import { channelVector, type LayerPlace, layerNode, made, scalar } from './graphWriter.ts';

type Elementwise = Exclude<ActivationSpec, PreluSpec | SoftmaxSpec>;

/** An elementwise activation, from the name of the input to that of the output. */
function elementwise<Spec extends Elementwise>(
  kind: Spec['kind'],
  write: (spec: Spec, x: string, place: LayerPlace) => string,
): Emitter<Spec> {
  return {
    kind,
    emit: (spec, input, place) => made(write(spec, input.name, place), place, input.channels),
  };
}

/** An activation that ONNX has an operator for. */
function operator<Spec extends Elementwise>(
  kind: Spec['kind'],
  op: string,
  attributesOf: (spec: Spec) => OnnxAttributes = () => ({}),
): Emitter<Spec> {
  return elementwise(kind, (spec, x, place) => layerNode(place, op, [x], attributesOf(spec)));
}

const GELU_CUBE = 0.044715;

/** x Phi(x), with erf or with GPT-2's approximation. */
function writeGelu({ approximate }: GeluSpec, x: string, place: LayerPlace): string {
  const number = (name: string, value: number): string => scalar(place, name, value);
  const node = (op: string, ...inputs: string[]): string => layerNode(place, op, inputs);
  let inner: string;
  if (approximate !== 'none') {
    const cube = node('Mul', node('Mul', x, x), x);
    const bent = node('Add', x, node('Mul', cube, number('cube', GELU_CUBE)));
    inner = node('Tanh', node('Mul', bent, number('scale', Math.sqrt(2 / Math.PI))));
  } else {
    inner = node('Erf', node('Mul', x, number('scale', Math.SQRT1_2)));
  }
  const weight = node('Mul', node('Add', inner, number('one', 1)), number('half', 0.5));
  return node('Mul', x, weight);
}

const preluEmitter: Emitter<PreluSpec> = {
  kind: 'prelu',
  emit(_spec, input, place) {
    const slopes = channelVector(place, 'weight', place.tensor('weight'), input);
    return made(layerNode(place, 'PRelu', [input.name, slopes]), place, input.channels);
  },
};

const softmaxEmitter: Emitter<SoftmaxSpec> = {
  kind: 'softmax',
  emit(_spec, input, place) {
    const axis = int(input.channels === 'first' ? 1 : -1);
    return made(layerNode(place, 'Softmax', [input.name], { axis }), place, input.channels);
  },
};

export const activationEmitters = [
  operator('relu', 'Relu'),
  elementwise('relu6', (_spec, x, place) =>
    layerNode(place, 'Clip', [x, scalar(place, 'min', 0), scalar(place, 'max', 6)]),
  ),
  operator<LeakyReluSpec>('leakyRelu', 'LeakyRelu', ({ negativeSlope }) => ({
    alpha: float(negativeSlope),
  })),
  operator<EluSpec>('elu', 'Elu', ({ alpha }) => ({ alpha: float(alpha) })),
  elementwise('gelu', writeGelu),
  elementwise('silu', (_spec, x, place) =>
    layerNode(place, 'Mul', [x, layerNode(place, 'Sigmoid', [x])]),
  ),
  operator('sigmoid', 'Sigmoid'),
  operator('tanh', 'Tanh'),
  operator('hardSigmoid', 'HardSigmoid', () => ({ alpha: float(1 / 6), beta: float(0.5) })),
  operator('hardSwish', 'HardSwish'),
  preluEmitter,
  softmaxEmitter,
];
