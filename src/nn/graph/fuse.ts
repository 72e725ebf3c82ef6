// Makes a relu part of the operation before it if that costs nothing: normalizations write max(y,
// 0) directly and block the gradient in their own passes, and the end of a residual adds and clips
// in one pass. A normalization that runs right before the end of a residual adds the other branch
// as it writes, which leaves only the backward pass to the end. This saves passes over memory and
// activations that nothing else reads. In models that do not train, convolutions do both. Bits,
// paths and parameter names stay the same; a fused relu is no longer a separate operation.

import {
  type AddOperation,
  endsOf,
  type Graph,
  inputsOf,
  type LayerOperation,
  type Operation,
  outputsOf,
  type ValueId,
} from './graph.ts';

/** Returns the graph with relus and adds fused where possible, and its values renumbered. `trains`
 * says whether any of its parameters may train. */
export function fuseGraph(graph: Graph, { trains = true } = {}): Graph {
  const isFree = ({ kind, spec, input }: LayerOperation): boolean =>
    !trains && kind.fusesUntrained?.(spec, graph.shapes[input]!) === true;
  return renumbered(withAdds(withRelus(graph, isFree), isFree));
}

/** Whether a layer can take a relu and an add because nothing trains. */
type IsFree = (layer: LayerOperation) => boolean;

function withRelus(graph: Graph, isFree: IsFree): Graph {
  const consumers = new Map<ValueId, Operation>();
  for (const operation of graph.operations) {
    for (const value of inputsOf(operation)) consumers.set(value, operation);
  }
  const taken = new Set<Operation>();
  const fused = graph.operations.map((operation): Operation => {
    if (operation.op === 'fork' || operation.op === 'join') return operation;
    if (!canTakeRelu(operation, isFree)) return operation;
    const next = consumers.get(operation.output);
    if (next?.op !== 'layer' || next.spec.kind !== 'relu') return operation;
    taken.add(next);
    return { ...operation, output: next.output, isRelu: true };
  });
  const operations = fused.filter((operation) => !taken.has(operation));
  return { ...graph, operations };
}

function canTakeRelu(operation: LayerOperation | AddOperation, isFree: IsFree): boolean {
  if (operation.op === 'add' || isFree(operation)) return true;
  const how = operation.kind.fusesRelu?.(operation.spec);
  return how !== undefined && how !== 'no';
}

/** Fuses an add into the layer that runs right before it and is one of its inputs; the other input
 * is complete by then. */
function withAdds(graph: Graph, isFree: IsFree): Graph {
  const operations = [...graph.operations];
  for (const [i, layer] of operations.entries()) {
    const add = operations[i + 1];
    if (add?.op !== 'add' || layer.op !== 'layer' || !canTakeAdd(layer, isFree)) continue;
    if (!add.inputs.includes(layer.output)) continue;
    const [body, shortcut] = add.inputs;
    const value = layer.output === body ? shortcut : body;
    operations[i] = { ...layer, addend: { value, isRelu: add.isRelu } };
    operations[i + 1] = { ...add, sum: layer.output };
  }
  return { ...graph, operations };
}

/** Only the add reads the output of such a layer, since a value has one consumer. */
function canTakeAdd(layer: LayerOperation, isFree: IsFree): boolean {
  const { kind, spec, isRelu } = layer;
  return !isRelu && (kind.fusesAdd?.(spec) === true || isFree(layer));
}

/** Renumbers the values, without those that no operation uses anymore. */
function renumbered({ operations, shapes, ...ends }: Graph): Graph {
  const used = new Set<ValueId>([0, ...endsOf(ends)]);
  for (const operation of operations) {
    for (const value of [...inputsOf(operation), ...outputsOf(operation)]) used.add(value);
  }
  const old = [...used].sort((a, b) => a - b);
  const numbers = new Map(old.map((value, i) => [value, i]));
  const to = (value: ValueId): ValueId => numbers.get(value)!;
  return {
    operations: operations.map((operation) => withValues(operation, to)),
    shapes: old.map((value) => shapes[value]!),
    output: to(ends.output),
    heads: ends.heads.map(({ name, value }) => ({ name, value: to(value) })),
  };
}

function withValues(operation: Operation, to: (value: ValueId) => ValueId): Operation {
  if (operation.op === 'add') {
    const [a, b] = operation.inputs;
    const sum = operation.sum === undefined ? {} : { sum: to(operation.sum) };
    return { ...operation, inputs: [to(a), to(b)], output: to(operation.output), ...sum };
  }
  if (operation.op === 'fork') {
    return { ...operation, input: to(operation.input), outputs: operation.outputs.map(to) };
  }
  if (operation.op === 'join') {
    return { ...operation, inputs: operation.inputs.map(to), output: to(operation.output) };
  }
  const { addend } = operation;
  const added = addend && { addend: { ...addend, value: to(addend.value) } };
  return { ...operation, input: to(operation.input), output: to(operation.output), ...added };
}
