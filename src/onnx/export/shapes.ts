// Writes layers that only move values (borders, ranges, other shapes), layers that do nothing in
// evaluation, and joins.

import type { Shape } from '../../base/shape.ts';
import type { Dropout2dSpec, DropoutSpec, DropPathSpec } from '../../nn/specs/dropout.ts';
import type { FlattenSpec } from '../../nn/specs/flatten.ts';
import type { JoinSpec } from '../../nn/specs/joins.ts';
import type { PadSpec } from '../../nn/specs/pad.ts';
import type { ReshapeSpec } from '../../nn/specs/reshape.ts';
import type { SliceSpec } from '../../nn/specs/slice.ts';
import { int } from '../format/model.ts';
import type { Emitter } from './emitter.ts';
import {
  channelsFirst,
  inMemoryOrder,
  type LayerPlace,
  layerNode,
  made,
  type OnnxValue,
  ordered,
} from './graphWriter.ts';
import { flattened } from './products.ts';

const padEmitter: Emitter<PadSpec> = {
  kind: 'pad',
  emit({ top, bottom, left, right }, input, place) {
    const { writer, path } = place;
    const pads = writer.ints(`${path}.pads`, [0, 0, top, left, 0, 0, bottom, right]);
    const x = channelsFirst(writer, input).name;
    return made(layerNode(place, 'Pad', [x, pads]), place, 'first');
  },
};

const sliceEmitter: Emitter<SliceSpec> = {
  kind: 'slice',
  emit({ rows, columns, channels }, input, place) {
    const { writer, path } = place;
    const ranges = [
      { range: channels, axis: 1 },
      { range: rows, axis: 2 },
      { range: columns, axis: 3 },
    ].filter(({ range }) => range !== undefined);
    const x = channelsFirst(writer, input);
    if (ranges.length === 0) return x;
    const lists = { start: 0, end: 1 } as const;
    const [starts, ends] = Object.entries(lists).map(([name, i]) =>
      writer.ints(
        `${path}.${name}`,
        ranges.map(({ range }) => range![i]),
      ),
    );
    const axes = writer.ints(
      `${path}.axes`,
      ranges.map(({ axis }) => axis),
    );
    return made(layerNode(place, 'Slice', [x.name, starts!, ends!, axes]), place, 'first');
  },
};

const reshapeEmitter: Emitter<ReshapeSpec> = {
  kind: 'reshape',
  emit: ({ shape }, input, place) => reshaped(input, place, shape),
};

const flattenEmitter: Emitter<FlattenSpec> = {
  kind: 'flatten',
  emit: (_spec, input, place) => made(flattened(input, place), place, 'first'),
};

/** The elements of each sample, in our order, in another shape: 0 keeps the sample axis. */
function reshaped(input: OnnxValue, place: LayerPlace, shape: Shape): OnnxValue {
  const { writer, path } = place;
  const sizes = writer.ints(`${path}.shape`, [0, ...shape]);
  const { name } = inMemoryOrder(writer, input);
  return made(layerNode(place, 'Reshape', [name, sizes]), place, 'last');
}

/** A layer that returns its input in evaluation. */
function passing<Spec extends DropoutSpec | Dropout2dSpec | DropPathSpec>(
  kind: Spec['kind'],
): Emitter<Spec> {
  return { kind, emit: (_spec, input) => input };
}

export const shapeEmitters = [
  padEmitter,
  sliceEmitter,
  reshapeEmitter,
  flattenEmitter,
  passing('dropout'),
  passing('dropout2d'),
  passing('dropPath'),
];

type JoinPlace = Omit<LayerPlace, 'tensor'>;

/** Emitters of joins. */
export const joinEmitters: Readonly<
  Record<JoinSpec['kind'], (inputs: readonly OnnxValue[], place: JoinPlace) => OnnxValue>
> = {
  add: (inputs, place) => joinAlike('Add', inputs, place),
  multiply(inputs, place) {
    const [x, factor] = inputs as [OnnxValue, OnnxValue];
    if (factor.shape.length === x.shape.length) return joinAlike('Mul', inputs, place);
    const rank = x.shape.length;
    const from = x.channels === 'first' ? 2 : 1;
    const ones = Array.from({ length: rank - 1 }, (_, i) => from + i);
    const axes = place.writer.ints(`${place.path}.axes`, ones);
    const spread = layerNode(place, 'Unsqueeze', [factor.name, axes]);
    return made(layerNode(place, 'Mul', [x.name, spread]), place, x.channels);
  },
  concat(inputs, place) {
    const { channels } = inputs[0]!;
    const names = inputs.map((input) => ordered(place.writer, input, channels).name);
    const axis = int(channels === 'first' ? 1 : -1);
    return made(layerNode(place, 'Concat', names, { axis }), place, channels);
  },
};

function joinAlike(op: string, inputs: readonly OnnxValue[], place: JoinPlace): OnnxValue {
  const { channels } = inputs[0]!;
  const names = inputs.map((input) => ordered(place.writer, input, channels).name);
  return made(layerNode(place, op, names), place, channels);
}
