// What a graph should compute: its nodes in order, with the gradients of a value's readers added.

import { channelsOf, sizeOf } from '../../../src/base/shape.ts';
import { GRAPH_INPUT, type GraphSpec, type LayerSpec } from '../../../src/nn/specs/spec.ts';
import type { RefInput, RefOutput } from './normReferences.ts';

type Doubles = Float64Array;
type Run = (spec: LayerSpec, input: RefInput, path: string) => RefOutput;

/** A node that has run: backward gives the gradients of what it read. */
interface Ran {
  readonly name: string;
  readonly from: readonly string[];
  backward(dy: Doubles, gradients: Record<string, Doubles>): readonly Doubles[];
}

export function runGraph(spec: GraphSpec, input: RefInput, path: string, run: Run): RefOutput {
  const values = new Map<string, Value>([
    [GRAPH_INPUT, { y: Float64Array.from(input.x), shape: input.shape }],
  ]);
  const ran: Ran[] = [];
  for (const { name, layer, from } of spec.nodes) {
    const read = from.map((source) => values.get(source)!);
    if (layer.kind === 'add' || layer.kind === 'multiply' || layer.kind === 'concat') {
      const result = joins[layer.kind](
        read,
        input.shards.reduce((a, b) => a + b),
      );
      values.set(name, result);
      ran.push({ name, from, backward: result.backward });
      continue;
    }
    const [{ y, shape }] = read as [(typeof read)[number]];
    // As the harness names what is no sequential.
    const own = `${path === '' ? 'graph' : path}.${name}`;
    const result = run(layer, { ...input, x: y, shape }, own);
    values.set(name, result);
    ran.push({ name, from, backward: (dy, gradients) => [result.backward(dy, gradients)] });
  }
  return {
    ...values.get(spec.output)!,
    backward(dy, gradients) {
      const sums = new Map([...values].map(([name, { y }]) => [name, new Float64Array(y.length)]));
      const addTo = (name: string, d: Doubles | Float32Array): void => {
        const sum = sums.get(name)!;
        for (const [i, value] of d.entries()) sum[i]! += value;
      };
      addTo(spec.output, dy);
      for (const { name, from, backward } of ran.toReversed()) {
        const found = backward(sums.get(name)!, gradients);
        for (const [i, source] of from.entries()) addTo(source, found[i]!);
      }
      return sums.get(GRAPH_INPUT)!;
    },
  };
}

interface Value {
  readonly y: Doubles;
  readonly shape: readonly number[];
}

type Joined = Value & { backward(dy: Doubles): readonly Doubles[] };

const joins: Readonly<
  Record<'add' | 'multiply' | 'concat', (read: readonly Value[], samples: number) => Joined>
> = {
  add: ([a, b]) => ({
    y: a!.y.map((value, i) => value + b!.y[i]!),
    shape: a!.shape,
    backward: (dy) => [dy, dy],
  }),
  multiply([x, factor]) {
    const perSample = sizeOf(factor!.shape);
    const channels = channelsOf(x!.shape);
    const isGate = perSample !== sizeOf(x!.shape);
    const at = (i: number): number =>
      isGate ? Math.floor(i / sizeOf(x!.shape)) * channels + (i % channels) : i;
    return {
      y: x!.y.map((value, i) => value * factor!.y[at(i)]!),
      shape: x!.shape,
      backward(dy) {
        const dFactor = new Float64Array(factor!.y.length);
        for (const [i, d] of dy.entries()) dFactor[at(i)]! += d * x!.y[i]!;
        return [dy.map((d, i) => d * factor!.y[at(i)]!), dFactor];
      },
    };
  },
  concat(read) {
    const widths = read.map(({ shape }) => channelsOf(shape));
    const width = widths.reduce((a, b) => a + b);
    const rows = read[0]!.y.length / widths[0]!;
    const y = new Float64Array(rows * width);
    const eachPlace = (visit: (part: number, from: number, to: number) => void): void => {
      for (let row = 0; row < rows; row++) {
        let column = 0;
        for (const [part, own] of widths.entries()) {
          for (let c = 0; c < own; c++) visit(part, row * own + c, row * width + column + c);
          column += own;
        }
      }
    };
    eachPlace((part, from, to) => {
      y[to] = read[part]!.y[from]!;
    });
    return {
      y,
      shape: [...read[0]!.shape.slice(0, -1), width],
      backward(dy) {
        const found = read.map((value) => new Float64Array(value.y.length));
        eachPlace((part, from, to) => {
          found[part]![from] = dy[to]!;
        });
        return found;
      },
    };
  },
};
