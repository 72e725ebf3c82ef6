// Writes recurrent layers: RNN, GRU and LSTM of ONNX, with its gate order. Layers with internal
// normalizations, which ONNX does not have, are unrolled, one time step after another.

import { biasName, type NormedPart, normedColumns } from '../../nn/recurrent/recurrentFrame.ts';
import type { GruSpec, LstmSpec, RecurrentSpec, RnnSpec } from '../../nn/specs/recurrent.ts';
import { GATES, type RecurrentOperator } from '../format/gates.ts';
import { float, int, ints, type OnnxAttributes } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Emitter } from './emitter.ts';
import {
  channelsLast,
  type LayerPlace,
  layerNode,
  layerNodes,
  made,
  type OnnxValue,
} from './graphWriter.ts';

/** How ONNX represents a kind of recurrent layer. */
interface CellForm<Spec> {
  readonly op: RecurrentOperator;
  attributesOf(spec: Spec): OnnxAttributes;
  /** Writes the next state of an unrolled layer. */
  step(spec: Spec, at: StepPlace): State;
}

/** Names of the hidden state, and of the cell of an lstm. */
interface State {
  readonly hidden: string;
  readonly cell?: string;
}

/** One time step of an unrolled layer. */
interface StepPlace {
  /** The two parts of the pre-activations, after normalizations and biases. */
  readonly input: string;
  readonly state: string;
  readonly before: State;
  node(op: string, ...inputs: string[]): string;
  /** The gates of a part, in our order. */
  split(part: string): readonly string[];
  normCell(cell: string): string;
}

const NONLINEARITIES = { relu: 'Relu', tanh: 'Tanh' } as const;

const rnnForm: CellForm<RnnSpec> = {
  op: 'RNN',
  attributesOf: ({ nonlinearity }) => ({
    activations: { type: 'strings', value: [NONLINEARITIES[nonlinearity]] },
  }),
  step: ({ nonlinearity }, { input, state, node }) => ({
    hidden: node(NONLINEARITIES[nonlinearity], node('Add', input, state)),
  }),
};

const gruForm: CellForm<GruSpec> = {
  op: 'GRU',
  attributesOf: () => ({ linear_before_reset: int(1) }),
  step(_spec, { input, state, before, node, split }) {
    const [ri, zi, ni] = split(input);
    const [rh, zh, nh] = split(state);
    const r = node('Sigmoid', node('Add', ri!, rh!));
    const z = node('Sigmoid', node('Add', zi!, zh!));
    const n = node('Tanh', node('Add', ni!, node('Mul', r, nh!)));
    // (1 - z) n + z h.
    return { hidden: node('Add', n, node('Mul', z, node('Sub', before.hidden, n))) };
  },
};

const lstmForm: CellForm<LstmSpec> = {
  op: 'LSTM',
  attributesOf: () => ({}),
  step(_spec, { input, state, before, node, split, normCell }) {
    const [i, f, g, o] = split(node('Add', input, state));
    const kept = node('Mul', node('Sigmoid', f!), before.cell!);
    const cell = node('Add', kept, node('Mul', node('Sigmoid', i!), node('Tanh', g!)));
    return { hidden: node('Mul', node('Sigmoid', o!), node('Tanh', normCell(cell))), cell };
  },
};

function recurrent<Spec extends RecurrentSpec>(
  kind: Spec['kind'],
  form: CellForm<Spec>,
): Emitter<Spec> {
  return {
    kind,
    emit: (spec, input, place) =>
      spec.norm === 'none' ? whole(form, spec, input, place) : unrolled(form, spec, input, place),
  };
}

/** Writes one node, on [T, N, C]. */
function whole<Spec extends RecurrentSpec>(
  { op, attributesOf }: CellForm<Spec>,
  spec: Spec,
  input: OnnxValue,
  place: LayerPlace,
): OnnxValue {
  const { writer, path } = place;
  const { inputSize, hiddenSize, bias, returnSequence } = spec;
  const gates: readonly number[] = GATES[op];
  const rows = gates.length * hiddenSize;
  /** [columns, gates hiddenSize] as [gates hiddenSize, columns], with gates in ONNX's order. */
  const gateRows = (values: Float32Array | Float64Array, columns: number): number[] => {
    const turned = transposed(values, [columns, rows], [1, 0]);
    const length = hiddenSize * columns;
    return gates.flatMap((gate) => [...turned.slice(gate * length, (gate + 1) * length)]);
  };
  const weight = (part: string, columns: number): string => {
    const values = gateRows(place.tensor(`weight${part}`), columns);
    return writer.floats(`${path}.weight${part}`, [1, rows, columns], values);
  };
  const times = layerNode(place, 'Transpose', [input.name], {
    perm: ints(input.channels === 'first' ? [2, 0, 1] : [1, 0, 2]),
  });
  const inputs = [times, weight('Ih', inputSize), weight('Hh', hiddenSize)];
  if (bias) {
    const both = ['Ih', 'Hh'].flatMap((part) => gateRows(place.tensor(`bias${part}`), 1));
    inputs.push(writer.floats(`${path}.bias`, [1, 2 * rows], both));
  }
  const attributes = { hidden_size: int(hiddenSize), ...attributesOf(spec) };
  const [all, last] = layerNodes(place, op, inputs, { count: 2, attributes });
  // [T, 1, N, H], or [1, N, H].
  const axis = writer.ints(`${path}.axis`, [returnSequence ? 1 : 0]);
  const states = layerNode(place, 'Squeeze', [returnSequence ? all! : last!, axis]);
  if (!returnSequence) return made(states, place, 'first');
  return made(layerNode(place, 'Transpose', [states], { perm: ints([1, 0, 2]) }), place, 'last');
}

/** Writes all time steps, on [N, T, C]. */
function unrolled<Spec extends RecurrentSpec>(
  form: CellForm<Spec>,
  spec: Spec,
  input: OnnxValue,
  place: LayerPlace,
): OnnxValue {
  const { writer, path } = place;
  const { hiddenSize, returnSequence } = spec;
  const countGates = GATES[form.op].length;
  const columns = countGates * hiddenSize;
  const node = (op: string, ...inputs: string[]): string => layerNode(place, op, inputs);
  const weight = (part: 'Ih' | 'Hh', rows: number): string =>
    writer.floats(`${path}.weight${part}`, [rows, columns], place.tensor(`weight${part}`));
  const weights = { Ih: weight('Ih', spec.inputSize), Hh: weight('Hh', hiddenSize) };
  const axis = writer.ints(`${path}.axis`, [1]);
  const sequence = channelsLast(writer, input).name;
  const sizes = new Array<number>(countGates).fill(hiddenSize);
  const gateSizes = countGates > 1 ? writer.ints(`${path}.gates`, sizes) : '';
  const split = (part: string): readonly string[] => {
    const attributes = { axis: int(1) };
    return layerNodes(place, 'Split', [part, gateSizes], { count: countGates, attributes });
  };
  const norm = normsOf(spec, place);
  const steps = Array.from({ length: input.shape[0]! }, (_, t) => t);
  // One row, which broadcasts to all samples.
  const zeros = writer.floats(`${path}.start`, [1, hiddenSize], new Float32Array(hiddenSize));
  let before: State = { hidden: zeros, cell: zeros };
  const states = steps.map((t) => {
    const bounds = [t, t + 1].map((at) => writer.ints(`${path}.step`, [at]));
    const x = node('Squeeze', node('Slice', sequence, ...bounds, axis), axis);
    const input = norm('Ih', t, node('MatMul', x, weights.Ih));
    const state = norm('Hh', t, node('MatMul', before.hidden, weights.Hh));
    const normCell = (cell: string): string => norm('Cell', t, cell);
    before = form.step(spec, { input, state, before, node, split, normCell });
    return returnSequence ? node('Unsqueeze', before.hidden, axis) : before.hidden;
  });
  if (!returnSequence) return made(states.at(-1)!, place, 'first');
  return made(layerNode(place, 'Concat', states, { axis: int(1) }), place, 'last');
}

/** Writes the normalization of a part at a time step, and its bias. */
function normsOf(
  spec: RecurrentSpec,
  place: LayerPlace,
): (part: NormedPart, t: number, x: string) => string {
  const { writer, path } = place;
  const attributes = { epsilon: float(spec.eps) };
  const affine = new Map<NormedPart, readonly string[]>();
  const affineOf = (part: NormedPart, columns: number): readonly string[] => {
    const known = affine.get(part);
    if (known !== undefined) return known;
    const gain = place.tensor(`normWeight${part}`);
    const bias = spec.bias ? place.tensor(biasName(part)) : new Float32Array(columns);
    const made = [
      writer.floats(`${path}.normWeight${part}`, [columns], gain),
      writer.floats(`${path}.${biasName(part)}`, [columns], bias),
    ];
    affine.set(part, made);
    return made;
  };
  return (part, t, x) => {
    const columns = normedColumns(spec, part);
    const inputs = [x, ...affineOf(part, columns)];
    if (spec.norm === 'layer') {
      return layerNode(place, 'LayerNormalization', inputs, { ...attributes, axis: int(-1) });
    }
    const running = ['runningMean', 'runningVar'].map((name) => {
      const all = place.tensor(`${name}${part}`);
      const values = all.subarray(t * columns, (t + 1) * columns);
      return writer.floats(`${path}.${name}${part}.${t}`, [columns], values);
    });
    return layerNode(place, 'BatchNormalization', [...inputs, ...running], attributes);
  };
}

export const recurrentEmitters = [
  recurrent('rnn', rnnForm),
  recurrent('gru', gruForm),
  recurrent('lstm', lstmForm),
];
