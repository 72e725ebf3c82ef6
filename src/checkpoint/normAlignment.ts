// Matches the layers of two models that differ only in their normalizations. Walks both in
// execution order, branch by branch.

import { UsageError } from '../base/errors.ts';
import { isNorm } from '../nn/convert/normLeaf.ts';
import type { LayerOperation } from '../nn/graph/graph.ts';
import { type LayerSpec, visitModel } from '../nn/specs/spec.ts';

/** A layer in both models, or in only one. */
export interface LayerPair {
  readonly from: LayerOperation | undefined;
  readonly to: LayerOperation | undefined;
}

/** A layer, or a marker between branches. */
type Token = LayerOperation | string;

/** The pairs of layers, in order. Throws a {@link UsageError} that names the first layers that
 * differ in more than their normalization. */
export function alignLayers(
  models: { readonly from: LayerSpec; readonly to: LayerSpec },
  layers: { readonly from: readonly LayerOperation[]; readonly to: readonly LayerOperation[] },
): readonly LayerPair[] {
  const from = tokensOf(models.from, layers.from);
  const to = tokensOf(models.to, layers.to);
  const pairs: LayerPair[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    const [a, b] = [normAt(from, i), normAt(to, j)];
    if (a !== undefined && b !== undefined) {
      pairs.push({ from: a, to: b });
      i++;
      j++;
      if (becameRelu(a, b)) pairs.push({ from: undefined, to: reluAt(to, j++, a) });
    } else if (a !== undefined) {
      pairs.push({ from: a, to: undefined });
      i++;
      if (becameRelu(a, undefined)) pairs.push({ from: undefined, to: reluAt(to, j++, a) });
    } else if (b !== undefined) {
      pairs.push({ from: undefined, to: b });
      j++;
    } else {
      const [left, right] = [from[i], to[j]];
      if (!isSame(left, right)) throw differing(left, right);
      if (typeof left === 'object' && typeof right === 'object') {
        pairs.push({ from: left, to: right });
      }
      i++;
      j++;
    }
  }
  return pairs;
}

function tokensOf(model: LayerSpec, layers: readonly LayerOperation[]): readonly Token[] {
  const tokens: Token[] = [];
  let index = 0;
  visitModel<undefined>(model, undefined, {
    leaf(): undefined {
      tokens.push(layers[index++]!);
    },
    fork: (_path, _input, count) => new Array<undefined>(count).fill(undefined),
    join({ kind }): undefined {
      tokens.push(kind);
    },
    begin: (name, from) => tokens.push([name, ...from].join(' ')),
  });
  return tokens;
}

function normAt(tokens: readonly Token[], at: number): LayerOperation | undefined {
  const token = tokens[at];
  return typeof token === 'object' && isNorm(token.spec) ? token : undefined;
}

/** Whether a ReLU replaced the trained threshold of `from`. */
function becameRelu(from: LayerOperation, to: LayerOperation | undefined): boolean {
  if (from.kind.norm?.hasActivation?.(from.spec) !== true) return false;
  return to === undefined || to.kind.norm?.hasActivation === undefined;
}

function reluAt(tokens: readonly Token[], at: number, from: LayerOperation): LayerOperation {
  const token = tokens[at];
  if (typeof token === 'object' && token.spec.kind === 'relu') return token;
  throw differing(from, token);
}

function isSame(a: Token | undefined, b: Token | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return JSON.stringify(a.spec) === JSON.stringify(b.spec);
}

function differing(from: Token | undefined, to: Token | undefined): UsageError {
  const show = (token: Token | undefined): string =>
    typeof token === 'object' ? token.path : (token ?? 'the end of the model');
  return new UsageError({
    what: `models to convert between, at ${show(from)}`,
    given: show(to),
    allowed: 'models that differ only in their normalizations',
    hint: 'the model that convertNorm makes from the old one',
  });
}
