// Decides which activations are not stored for backward. A layer can recompute its output for one
// sample, because its input and the statistics it normalizes with are stored anyway. Readers take
// such a value sample by sample from scratch memory that stays in the cache. If the layer also adds
// another value, that one is read too, or is itself derived.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import {
  type Graph,
  inputsOf,
  type LayerOperation,
  type Operation,
  outputsOf,
  type ValueId,
} from './graph.ts';
import { aliased, gradientsNeeded, keptBy, runsBackward } from './storage.ts';

/** The largest sample that fits in the L2 cache together with its reader's data. */
const SAMPLE_BYTES = 512 * 1024;
/** The most values that are read to derive a sample. Each read of a second value costs as much as
 * storing the derived value would, but saves its memory. */
const MOST_READ = 2;

/** How backward uses a value under any of its names. */
interface Use {
  isRead: boolean;
  /** Whether all its readers take it sample by sample. */
  isBySample: boolean;
  /** Whether another value is derived from it. */
  isAdded: boolean;
}

/** The values that are not stored for backward, each with the layer that derives it. */
export function derivedValues(graph: Graph): ReadonlyMap<ValueId, LayerOperation> {
  const roots = rootsOf(graph);
  const uses = usesOf(graph, roots);
  const isNeeded = gradientsNeeded(graph);
  /** For each derived value, the number of other values that are read for a sample. */
  const costs = new Map<ValueId, number>();
  const costOf = (value: ValueId): number => costs.get(value) ?? 1;
  const makers = new Map<ValueId, LayerOperation>();
  for (const operation of graph.operations) {
    if (!runsBackward(operation, isNeeded) || !canDerive(operation, graph)) continue;
    const { input, output, addend } = operation;
    if (uses[output]!.isRead && !uses[output]!.isBySample) continue;
    const added = addend && roots[addend.value]!;
    // An added value that is not stored until then must itself be derived.
    if (added !== undefined && !costs.has(added) && !uses[added]!.isRead) continue;
    const cost = costOf(roots[input]!) + (added === undefined ? 0 : costOf(added));
    if (cost > MOST_READ) continue;
    costs.set(output, cost);
    makers.set(output, operation);
    if (added !== undefined && uses[output]!.isRead) uses[added]!.isAdded = true;
  }
  const derived = new Map<ValueId, LayerOperation>();
  for (const [value, root] of roots.entries()) {
    const maker = makers.get(root);
    const { isRead, isAdded } = uses[root]!;
    if (maker !== undefined && (isRead || isAdded)) derived.set(value, maker);
  }
  return derived;
}

/** The derived value that backward reads sample by sample, if any. */
export function readBySample(operation: Operation): ValueId | undefined {
  if (operation.op === 'layer') return operation.input;
  return operation.op === 'add' && operation.isRelu ? operation.output : undefined;
}

/** The first name of each value. */
function rootsOf({ operations }: Graph): readonly ValueId[] {
  const roots: ValueId[] = [0];
  for (const operation of operations) {
    const alias = aliased(operation);
    for (const value of outputsOf(operation)) {
      roots[value] = alias === undefined ? value : roots[alias]!;
    }
  }
  return roots;
}

/** The uses of values by their first names. */
function usesOf(graph: Graph, roots: readonly ValueId[]): readonly Use[] {
  const isNeeded = gradientsNeeded(graph);
  const uses = roots.map((): Use => ({ isRead: false, isBySample: true, isAdded: false }));
  const read = (value: ValueId, isBySample: boolean): void => {
    const use = uses[roots[value]!]!;
    use.isRead = true;
    use.isBySample &&= isBySample;
  };
  for (const operation of graph.operations) {
    if (!runsBackward(operation, isNeeded)) continue;
    const keeps = keptBy(operation);
    const isBySample = readsBySample(operation, graph);
    if (keeps.input) for (const value of inputsOf(operation)) read(value, isBySample);
    // The end of a residual reads the sign of its output.
    const isEnd = operation.op === 'add';
    if (keeps.output) for (const value of outputsOf(operation)) read(value, isEnd);
  }
  return uses;
}

function canDerive(operation: Operation, { shapes }: Graph): operation is LayerOperation {
  if (operation.op !== 'layer') return false;
  const { kind, spec, output } = operation;
  const fits = sizeOf(shapes[output]!) * FLOAT_BYTES <= SAMPLE_BYTES;
  return fits && kind.keeps.input && kind.derivesOutput?.(spec) === true;
}

function readsBySample(operation: Operation, { shapes }: Graph): boolean {
  if (operation.op !== 'layer') return false;
  const { kind, spec, input } = operation;
  return kind.readsBySample?.(spec, shapes[input]!) === true;
}
