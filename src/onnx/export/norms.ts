// Writes normalizations as evaluation computes them. Those with running statistics become
// BatchNormalization, regardless of how they train. Those of each sample become their operators, or
// several nodes if opset 17 has none.

import { sizeOf } from '../../base/shape.ts';
import type { BatchRenormSpec } from '../../nn/specs/batchRenorm.ts';
import type { FilterResponseNormSpec } from '../../nn/specs/filterResponseNorm.ts';
import type {
  BatchNormSpec,
  GroupNormSpec,
  InstanceNormSpec,
  LayerNormSpec,
} from '../../nn/specs/norms.ts';
import type { RmsNormSpec } from '../../nn/specs/rmsNorm.ts';
import { float, int, ints } from '../format/model.ts';
import type { Emitter } from './emitter.ts';
import {
  channelsFirst,
  channelsLast,
  channelVector,
  type LayerPlace,
  layerNode,
  made,
  type OnnxValue,
  scalar,
} from './graphWriter.ts';

type RunningSpec = BatchNormSpec | BatchRenormSpec | InstanceNormSpec;

/** Weight and bias, or ones and zeros. */
function gainAndShift(
  place: LayerPlace,
  affine: boolean,
  length: number,
): readonly [ArrayLike<number>, ArrayLike<number>] {
  return affine
    ? [place.tensor('weight'), place.tensor('bias')]
    : [new Float32Array(length).fill(1), new Float32Array(length)];
}

/** A normalization of each channel with its running statistics. */
function byRunning(spec: RunningSpec, input: OnnxValue, place: LayerPlace): OnnxValue {
  const { channels, affine, eps } = spec;
  const [weight, bias] = gainAndShift(place, affine, channels);
  const vector = (name: string, values: ArrayLike<number>): string =>
    place.writer.floats(`${place.path}.${name}`, [channels], values);
  const inputs = [
    channelsFirst(place.writer, input).name,
    vector('weight', weight),
    vector('bias', bias),
    vector('runningMean', place.tensor('runningMean')),
    vector('runningVar', place.tensor('runningVar')),
  ];
  const attributes = { epsilon: float(eps) };
  return made(layerNode(place, 'BatchNormalization', inputs, attributes), place, 'first');
}

const batchNormEmitter: Emitter<BatchNormSpec> = {
  kind: 'batchNorm',
  refuses: ({ trackRunningStats }) =>
    trackRunningStats ? undefined : 'it has no running statistics and evaluates with the batch',
  emit: byRunning,
};

const batchRenormEmitter: Emitter<BatchRenormSpec> = { kind: 'batchRenorm', emit: byRunning };

/** Normalizes each channel of each sample separately: [N, C, ...]. */
function instanceNormalization(
  place: LayerPlace,
  x: string,
  { channels, eps }: { readonly channels: number; readonly eps: number },
  [weight, bias]: readonly [ArrayLike<number>, ArrayLike<number>],
): string {
  const { writer, path } = place;
  const scale = writer.floats(`${path}.scale`, [channels], weight);
  const shift = writer.floats(`${path}.shift`, [channels], bias);
  return layerNode(place, 'InstanceNormalization', [x, scale, shift], { epsilon: float(eps) });
}

const instanceNormEmitter: Emitter<InstanceNormSpec> = {
  kind: 'instanceNorm',
  emit(spec, input, place) {
    if (spec.trackRunningStats) return byRunning(spec, input, place);
    const affine = gainAndShift(place, spec.affine, spec.channels);
    const x = channelsFirst(place.writer, input).name;
    return made(instanceNormalization(place, x, spec, affine), place, 'first');
  },
};

/** Like torch.onnx below opset 18: the groups as channels, then weight and bias. */
const groupNormEmitter: Emitter<GroupNormSpec> = {
  kind: 'groupNorm',
  emit({ numGroups, channels, eps, affine }, input, place) {
    const { writer, path } = place;
    const x = channelsFirst(writer, input);
    const grouped = writer.ints(`${path}.groups`, [0, numGroups, sizeOf(x.shape) / numGroups]);
    const plain = gainAndShift(place, false, numGroups);
    const rows = layerNode(place, 'Reshape', [x.name, grouped]);
    const normal = instanceNormalization(place, rows, { channels: numGroups, eps }, plain);
    const whole = writer.ints(`${path}.shape`, [0, channels, ...x.shape.slice(0, -1)]);
    const name = layerNode(place, 'Reshape', [normal, whole]);
    return affine ? scaled({ ...x, name }, place) : made(name, place, 'first');
  },
};

/** A value times the weight of each channel, plus the bias. */
function scaled(x: OnnxValue, place: LayerPlace): OnnxValue {
  const weight = channelVector(place, 'weight', place.tensor('weight'), x);
  const product = layerNode(place, 'Mul', [x.name, weight]);
  const bias = channelVector(place, 'bias', place.tensor('bias'), x);
  return made(layerNode(place, 'Add', [product, bias]), place, x.channels);
}

const layerNormEmitter: Emitter<LayerNormSpec> = {
  kind: 'layerNorm',
  emit({ normalizedShape, eps, affine }, input, place) {
    const { writer, path } = place;
    const length = sizeOf(normalizedShape);
    const [weight, bias] = gainAndShift(place, affine, length).map((values, i) =>
      writer.floats(`${path}.${i === 0 ? 'weight' : 'bias'}`, normalizedShape, values),
    );
    const x = channelsLast(writer, input).name;
    const attributes = { axis: int(-normalizedShape.length), epsilon: float(eps) };
    const name = layerNode(place, 'LayerNormalization', [x, weight!, bias!], attributes);
    return made(name, place, 'last');
  },
};

/** x / sqrt(mean(x^2) + eps), with the mean over the given axes in the file; without axes, for each
 * value separately. */
function overRms(place: LayerPlace, x: string, axes: readonly number[], eps: number): string {
  const square = layerNode(place, 'Mul', [x, x]);
  const mean =
    axes.length === 0
      ? square
      : layerNode(place, 'ReduceMean', [square], { axes: ints(axes), keepdims: int(1) });
  const sum = layerNode(place, 'Add', [mean, scalar(place, 'eps', eps)]);
  return layerNode(place, 'Div', [x, layerNode(place, 'Sqrt', [sum])]);
}

const rmsNormEmitter: Emitter<RmsNormSpec> = {
  kind: 'rmsNorm',
  emit({ normalizedShape, eps, affine }, input, place) {
    const { writer, path } = place;
    const x = channelsLast(writer, input).name;
    const normal = overRms(
      place,
      x,
      normalizedShape.map((_, i) => -1 - i),
      eps,
    );
    if (!affine) return made(normal, place, 'last');
    const weight = writer.floats(`${path}.weight`, normalizedShape, place.tensor('weight'));
    return made(layerNode(place, 'Mul', [normal, weight]), place, 'last');
  },
};

const filterResponseNormEmitter: Emitter<FilterResponseNormSpec> = {
  kind: 'filterResponseNorm',
  emit({ eps, affine, tlu }, input, place) {
    const x = channelsFirst(place.writer, input);
    const axes = Array.from({ length: x.shape.length - 1 }, (_, i) => i + 2);
    const normal = { ...x, name: overRms(place, x.name, axes, eps) };
    const y = affine ? scaled(normal, place) : made(normal.name, place, 'first');
    if (!tlu) return y;
    const threshold = channelVector(place, 'threshold', place.tensor('threshold'), x);
    return made(layerNode(place, 'Max', [y.name, threshold]), place, 'first');
  },
};

export const normEmitters = [
  batchNormEmitter,
  batchRenormEmitter,
  filterResponseNormEmitter,
  groupNormEmitter,
  instanceNormEmitter,
  layerNormEmitter,
  rmsNormEmitter,
];
