// What the recurrent layers ought to compute, by plain loops in float64 over one time step after
// the other, normalized by the twins of kernels/reference/norm.ts.

import { gruCellGradRef, gruCellRef } from '../../../src/kernels/reference/gru.ts';
import {
  batchNormSetsRef,
  layerNormSetsRef,
  type NormSetsRef,
  normalizeGradRef,
  normalizeRef,
} from '../../../src/kernels/reference/norm.ts';
import { gateColumns } from '../../../src/nn/recurrent/recurrentFrame.ts';
import type { RecurrentSpec } from '../../../src/nn/specs/recurrent.ts';
import { countOf, groupEndsOf, type RefInput, type RefOutput } from './normReferences.ts';

type Doubles = Float64Array;
type Part = 'Ih' | 'Hh';

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
}

/** Runs a recurrent layer. */
export function runRecurrent(spec: RecurrentSpec, input: RefInput, path: string): RefOutput {
  const [steps, size] = [input.shape[0]!, spec.hiddenSize];
  const count = countOf(input);
  const columns = gateColumns(spec);
  const rows = { Ih: spec.inputSize, Hh: size };
  const parameter = (name: string) => input.parameters[`${path}.${name}`];
  const affine = (part: Part) => ({
    eps: spec.eps,
    weight: parameter(`normWeight${part}`),
    bias: parameter(`bias${part}`),
  });
  const sets: NormSetsRef =
    spec.norm === 'layer'
      ? layerNormSetsRef(count, columns)
      : batchNormSetsRef(columns, groupEndsOf(spec.sync, input.shards));
  const passed: Passed[] = [];
  let h = new Float64Array(count * size);
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
    if (spec.kind === 'gru') gruCellRef(next, normed.Ih, normed.Hh, h, size);
    else {
      for (const i of next.keys()) {
        const sum = normed.Ih[i]! + normed.Hh[i]!;
        next[i] = spec.nonlinearity === 'tanh' ? Math.tanh(sum) : Math.max(sum, 0);
      }
    }
    passed.push({ from, products, normed, h, next });
    h = next;
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
    const dx = new Float64Array(input.x.length);
    let dh = new Float64Array(count * size);
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
      } else {
        for (const [i, d] of dh.entries()) {
          const slope = spec.nonlinearity === 'tanh' ? 1 - next[i]! ** 2 : Number(next[i]! > 0);
          dInput[i] = d * slope;
          dHidden[i] = d * slope;
        }
      }
      const throughNorm = (part: Part, d: Doubles): Doubles => {
        if (spec.bias) add(`bias${part}`, columnSums(d, columns));
        if (spec.norm === 'none') return d;
        const found = normalizeGradRef(products[part], d, sets, affine(part));
        add(`normWeight${part}`, found.dweight);
        return found.dx;
      };
      const own = { Ih: throughNorm('Ih', dInput), Hh: throughNorm('Hh', dHidden) };
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
