// What the recurrent layers ought to compute, by plain loops in float64 over one time step after
// the other, normalized by the twins of kernels/reference/norm.ts.

import { gruCellGradRef, gruCellRef } from '../../../src/kernels/reference/gru.ts';
import {
  lstmCellGradRef,
  lstmCellRef,
  lstmOutputGradRef,
  lstmOutputRef,
} from '../../../src/kernels/reference/lstm.ts';
import {
  batchNormSetsRef,
  layerNormSetsRef,
  type NormSetsRef,
  normalizeGradRef,
  normalizeRef,
} from '../../../src/kernels/reference/norm.ts';
import {
  biasName,
  gateColumns,
  type NormedPart,
  type Part,
} from '../../../src/nn/recurrent/recurrentFrame.ts';
import type { RecurrentSpec } from '../../../src/nn/specs/recurrent.ts';
import { countOf, groupEndsOf, type RefInput, type RefOutput } from './normReferences.ts';

type Doubles = Float64Array;

/** a [n, k] times b [k, m], either transposed where asked for. */
function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [n, k, m]: readonly [number, number, number],
  transposed: { readonly a?: boolean; readonly b?: boolean } = {},
): Doubles {
  const out = new Float64Array(n * m);
  for (let i = 0; i < out.length; i++) {
    const [row, column] = [Math.floor(i / m), i % m];
    for (let j = 0; j < k; j++) {
      const left = a[transposed.a ? j * n + row : row * k + j]!;
      out[i] = out[i]! + left * b[transposed.b ? column * k + j : j * m + column]!;
    }
  }
  return out;
}

/** What one time step leaves for backward. */
interface Passed {
  readonly from: Readonly<Record<Part, Doubles>>;
  readonly products: Readonly<Record<Part, Doubles>>;
  readonly normed: Readonly<Record<Part, Doubles>>;
  readonly h: Doubles;
  readonly next: Doubles;
  /** Of an lstm: the cell before and after, and tanh of it or of what a norm makes of it. */
  readonly cell: Doubles;
  readonly nextCell: Doubles;
  readonly squashed: Doubles;
}

/** Runs a recurrent layer. */
export function runRecurrent(spec: RecurrentSpec, input: RefInput, path: string): RefOutput {
  const [steps, size] = [input.shape[0]!, spec.hiddenSize];
  const count = countOf(input);
  const columns = gateColumns(spec);
  const rows = { Ih: spec.inputSize, Hh: size };
  const parameter = (name: string) => input.parameters[`${path}.${name}`];
  const affine = (part: NormedPart) => ({
    eps: spec.eps,
    weight: parameter(`normWeight${part}`),
    bias: parameter(biasName(part)),
  });
  const setsOf = (width: number): NormSetsRef =>
    spec.norm === 'layer'
      ? layerNormSetsRef(count, width)
      : batchNormSetsRef(width, groupEndsOf(spec.sync, input.shards));
  const [sets, cellSets] = [setsOf(columns), setsOf(size)];
  const passed: Passed[] = [];
  let h = new Float64Array(count * size);
  let cell = new Float64Array(h.length);
  for (let t = 0; t < steps; t++) {
    const x = atStep(input.x, t, { count, steps, width: spec.inputSize });
    const from = { Ih: x, Hh: h };
    const multiplied = (part: Part): Doubles =>
      product(from[part], parameter(`weight${part}`)!, [count, rows[part], columns]);
    const products = { Ih: multiplied('Ih'), Hh: multiplied('Hh') };
    const normedOf = (part: Part): Doubles =>
      spec.norm === 'none'
        ? products[part].map((v, i) => v + (parameter(`bias${part}`)?.[i % columns] ?? 0))
        : normalizeRef(products[part], sets, affine(part));
    const normed = { Ih: normedOf('Ih'), Hh: normedOf('Hh') };
    const next = new Float64Array(h.length);
    const nextCell = new Float64Array(h.length);
    const squashed = new Float64Array(h.length);
    if (spec.kind === 'gru') gruCellRef(next, normed.Ih, normed.Hh, h, size);
    else if (spec.kind === 'lstm') {
      lstmCellRef(nextCell, normed.Ih, normed.Hh, cell, size);
      const entering =
        spec.norm === 'none' ? nextCell : normalizeRef(nextCell, cellSets, affine('Cell'));
      lstmOutputRef({ squashed, h: next }, entering, normed.Ih, size);
    } else {
      for (const i of next.keys()) {
        const sum = normed.Ih[i]! + normed.Hh[i]!;
        next[i] = spec.nonlinearity === 'tanh' ? Math.tanh(sum) : Math.max(sum, 0);
      }
    }
    passed.push({ from, products, normed, h, next, cell, nextCell, squashed });
    h = next;
    cell = nextCell;
  }
  const outputSteps = spec.returnSequence ? steps : 1;
  const y = new Float64Array(count * outputSteps * size);
  for (let t = 0; t < outputSteps; t++) {
    const state = spec.returnSequence ? passed[t]!.next : h;
    for (const [i, value] of state.entries()) {
      y[(Math.floor(i / size) * outputSteps + t) * size + (i % size)] = value;
    }
  }

  const backward: RefOutput['backward'] = (dy, gradients) => {
    const add = (name: string, values: Doubles): void => {
      const sum = gradients[`${path}.${name}`];
      gradients[`${path}.${name}`] = sum === undefined ? values : sum.map((v, i) => v + values[i]!);
    };
    const throughNorm = (part: NormedPart, d: Doubles, x: Doubles): Doubles => {
      const isCell = part === 'Cell';
      const isNormed = spec.norm !== 'none';
      if (spec.bias && (isNormed || !isCell)) {
        add(biasName(part), columnSums(d, isCell ? size : columns));
      }
      if (!isNormed) return d;
      const found = normalizeGradRef(x, d, isCell ? cellSets : sets, affine(part));
      add(`normWeight${part}`, found.dweight);
      return found.dx;
    };
    const dx = new Float64Array(input.x.length);
    let dh = new Float64Array(count * size);
    const dcell = new Float64Array(dh.length);
    for (let t = steps - 1; t >= 0; t--) {
      const { from, products, normed, h: before, next } = passed[t]!;
      if (spec.returnSequence || t === steps - 1) {
        const at = spec.returnSequence ? t : 0;
        const own = atStep(dy, at, { count, steps: outputSteps, width: size });
        dh = dh.map((v, i) => v + own[i]!);
      }
      const dInput = new Float64Array(count * columns);
      const dHidden = new Float64Array(count * columns);
      let direct = new Float64Array(dh.length);
      if (spec.kind === 'gru') {
        gruCellGradRef({ size, dh, dInput, dHidden }, normed.Ih, normed.Hh, before);
        direct = dh;
      } else if (spec.kind === 'lstm') {
        const { cell: cellBefore, nextCell, squashed } = passed[t]!;
        const dsquash = new Float64Array(dh.length);
        const gates = normed.Ih;
        lstmOutputGradRef({ dx: dsquash, dGates: dInput }, dh, { gates, squashed }, size);
        const term = throughNorm('Cell', dsquash, nextCell);
        lstmCellGradRef({ dcell, dGates: dInput }, term, { gates, cell: cellBefore }, size);
        dHidden.set(dInput);
      } else {
        for (const [i, d] of dh.entries()) {
          const slope = spec.nonlinearity === 'tanh' ? 1 - next[i]! ** 2 : Number(next[i]! > 0);
          dInput[i] = d * slope;
          dHidden[i] = d * slope;
        }
      }
      const own = {
        Ih: throughNorm('Ih', dInput, products.Ih),
        Hh: throughNorm('Hh', dHidden, products.Hh),
      };
      const toInput: Record<Part, Doubles> = { Ih: dx, Hh: dh };
      for (const part of ['Ih', 'Hh'] as const) {
        const shape = [rows[part], count, columns] as const;
        add(`weight${part}`, product(from[part], own[part], shape, { a: true }));
        const weight = parameter(`weight${part}`)!;
        toInput[part] = product(own[part], weight, [count, columns, rows[part]], { b: true });
      }
      dh = toInput.Hh.map((v, i) => v + direct[i]!);
      for (const [i, value] of toInput.Ih.entries()) {
        const sample = Math.floor(i / spec.inputSize);
        dx[(sample * steps + t) * spec.inputSize + (i % spec.inputSize)] = value;
      }
    }
    return dx;
  };
  return { y, shape: spec.returnSequence ? [steps, size] : [size], backward };
}

/** [count, width] of one time step of [count, steps, width]. */
function atStep(
  values: ArrayLike<number>,
  t: number,
  { count, steps, width }: Readonly<Record<'count' | 'steps' | 'width', number>>,
): Doubles {
  return Float64Array.from(
    { length: count * width },
    (_, i) => values[(Math.floor(i / width) * steps + t) * width + (i % width)]!,
  );
}

function columnSums(values: Doubles, columns: number): Doubles {
  const sums = new Float64Array(columns);
  for (const [i, value] of values.entries()) sums[i % columns] = sums[i % columns]! + value;
  return sums;
}
