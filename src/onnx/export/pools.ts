// Writes pools and upsampling. Unequal bins of adaptive pools are sliced, and upsampling by
// non-integer ratios is a product with matrices of weights, because runtimes round the positions of
// both differently.

import { axisOf, type ConvAxis } from '../../nn/conv/convGeometry.ts';
import { asImage, windowOf } from '../../nn/conv/sequenceKinds.ts';
import type { AdaptiveAvgPoolSpec, AdaptiveMaxPoolSpec } from '../../nn/specs/adaptivePools.ts';
import type {
  AvgPoolSpec,
  GlobalAvgPoolSpec,
  GlobalMaxPoolSpec,
  MaxPoolSpec,
} from '../../nn/specs/pools.ts';
import type { AvgPool1dSpec, MaxPool1dSpec } from '../../nn/specs/pools1d.ts';
import type { UpsampleSpec } from '../../nn/specs/upsample.ts';
import { int, ints, text } from '../format/model.ts';
import { sharesOf } from '../format/shares.ts';
import { transposed } from '../format/transpose.ts';
import type { Emitter } from './emitter.ts';
import { channelsFirst, type LayerPlace, layerNode, made, type OnnxValue } from './graphWriter.ts';
import { windowAttributes } from './products.ts';

type WindowSpec = MaxPoolSpec | AvgPoolSpec | MaxPool1dSpec | AvgPool1dSpec;

/** A pool of windows along the given axes. */
function windowPool<Spec extends WindowSpec>(
  kind: Spec['kind'],
  op: 'MaxPool' | 'AveragePool',
  axesOf: (spec: Spec, input: OnnxValue) => readonly ConvAxis[],
): Emitter<Spec> {
  return {
    kind,
    emit(spec, input, place) {
      const x = channelsFirst(place.writer, input).name;
      const includes = 'countIncludePad' in spec && spec.countIncludePad;
      const name = layerNode(place, op, [x], {
        ...windowAttributes(axesOf(spec, input)),
        ...(op === 'AveragePool' && { count_include_pad: int(includes ? 1 : 0) }),
      });
      return made(name, place, 'first');
    },
  };
}

const imageAxes = (spec: MaxPoolSpec | AvgPoolSpec, { shape }: OnnxValue): ConvAxis[] => [
  axisOf(spec, shape, 0),
  axisOf(spec, shape, 1),
];
const sequenceAxes = (spec: MaxPool1dSpec | AvgPool1dSpec, { shape }: OnnxValue): ConvAxis[] => [
  axisOf(windowOf(spec), asImage(shape), 1),
];

/** A pool over all pixels. */
function globalPool<Spec extends GlobalAvgPoolSpec | GlobalMaxPoolSpec>(
  kind: Spec['kind'],
  op: string,
): Emitter<Spec> {
  return {
    kind,
    emit(_spec, input, place) {
      const pooled = layerNode(place, op, [channelsFirst(place.writer, input).name]);
      return made(layerNode(place, 'Flatten', [pooled], { axis: int(1) }), place, 'first');
    },
  };
}

/** A pool to a given size, with bins [floor(i in / out), ceil((i + 1) in / out)). */
function adaptivePool<Spec extends AdaptiveAvgPoolSpec | AdaptiveMaxPoolSpec>(
  kind: Spec['kind'],
  ops: { readonly pool: string; readonly reduce: string },
): Emitter<Spec> {
  return {
    kind,
    emit({ size }, input, place) {
      const x = channelsFirst(place.writer, input).name;
      const bins = [0, 1].map((i) => input.shape[i]! / size[i]!);
      if (bins.every(Number.isInteger)) {
        const window = { kernel_shape: ints(bins), strides: ints(bins) };
        return made(layerNode(place, ops.pool, [x], window), place, 'first');
      }
      // Bins are products of rows and columns, so pooling one axis after the other gives the same
      // result.
      const name = [0, 1].reduce((from, i) => {
        const sizes = { input: input.shape[i]!, output: size[i]!, axis: i + 2 };
        return reduceBins(place, ops.reduce, from, sizes);
      }, x);
      return made(name, place, 'first');
    },
  };
}

function reduceBins(
  place: LayerPlace,
  reduce: string,
  x: string,
  { input, output, axis }: { input: number; output: number; axis: number },
): string {
  const { writer, path } = place;
  const axes = writer.ints(`${path}.axis`, [axis]);
  const bins = Array.from({ length: output }, (_, i) => {
    const start = writer.ints(`${path}.start`, [Math.floor((i * input) / output)]);
    const end = writer.ints(`${path}.end`, [Math.ceil(((i + 1) * input) / output)]);
    const bin = layerNode(place, 'Slice', [x, start, end, axes]);
    return layerNode(place, reduce, [bin], { axes: ints([axis]), keepdims: int(1) });
  });
  return bins.length === 1 ? bins[0]! : layerNode(place, 'Concat', bins, { axis: int(axis) });
}

const upsampleEmitter: Emitter<UpsampleSpec> = {
  kind: 'upsample',
  emit(spec, input, place) {
    const { writer, path, output } = place;
    const x = channelsFirst(writer, input).name;
    const ratios = [0, 1].map((i) => output[i]! / input.shape[i]!);
    const nearest = spec.mode === 'nearest';
    if (!ratios.every(Number.isInteger)) return upsampleByWeights(spec, input, place);
    const free = spec.alignCorners ? 'align_corners' : 'half_pixel';
    const scales = writer.floats(`${path}.scales`, [4], [1, 1, ...ratios]);
    const name = layerNode(place, 'Resize', [x, '', scales], {
      mode: text(nearest ? 'nearest' : 'linear'),
      coordinate_transformation_mode: text(nearest ? 'asymmetric' : free),
      ...(nearest && { nearest_mode: text('floor') }),
    });
    return made(name, place, 'first');
  },
};

/** Rows, then columns, as weighted sums of the input's: [OH, H] x [N, C, H, W] x [W, OW]. */
function upsampleByWeights(spec: UpsampleSpec, input: OnnxValue, place: LayerPlace): OnnxValue {
  const { writer, path, output } = place;
  const [height, width] = input.shape as [number, number];
  const [outHeight, outWidth] = output as [number, number];
  const tallShares = sharesOf(spec, height, outHeight).flat();
  const rows = writer.floats(`${path}.rows`, [outHeight, height], tallShares);
  const wide = Float64Array.from(sharesOf(spec, width, outWidth).flat());
  const turned = transposed(wide, [outWidth, width], [1, 0]);
  const columns = writer.floats(`${path}.columns`, [width, outWidth], turned);
  const x = channelsFirst(writer, input).name;
  const tall = layerNode(place, 'MatMul', [rows, x]);
  return made(layerNode(place, 'MatMul', [tall, columns]), place, 'first');
}

export const poolEmitters = [
  windowPool('maxPool', 'MaxPool', imageAxes),
  windowPool('avgPool', 'AveragePool', imageAxes),
  windowPool('maxPool1d', 'MaxPool', sequenceAxes),
  windowPool('avgPool1d', 'AveragePool', sequenceAxes),
  globalPool('globalAvgPool', 'GlobalAveragePool'),
  globalPool('globalMaxPool', 'GlobalMaxPool'),
  adaptivePool('adaptiveAvgPool', { pool: 'AveragePool', reduce: 'ReduceMean' }),
  adaptivePool('adaptiveMaxPool', { pool: 'MaxPool', reduce: 'ReduceMax' }),
  upsampleEmitter,
];
