// A model is plain data: specs that builder functions make, that can be stored as JSON, and that
// name their layers by `kind`. Composite specs (sequential, residual, graph) only arrange others.

import type { ActivationSpec } from './activations.ts';
import type { AdaptiveAvgPoolSpec, AdaptiveMaxPoolSpec } from './adaptivePools.ts';
import type { BatchRenormSpec } from './batchRenorm.ts';
import type { Conv1dSpec } from './conv1d.ts';
import type { Conv2dSpec } from './conv2d.ts';
import type { ConvTranspose2dSpec } from './convTranspose2d.ts';
import type { CustomSpec } from './custom.ts';
import { checkDepth } from './depth.ts';
import type { Dropout2dSpec, DropoutSpec, DropPathSpec } from './dropout.ts';
import type { FilterResponseNormSpec } from './filterResponseNorm.ts';
import type { FlattenSpec } from './flatten.ts';
import { isJoin, type JoinSpec } from './joins.ts';
import type { LinearSpec } from './linear.ts';
import type { BatchNormSpec, GroupNormSpec, InstanceNormSpec, LayerNormSpec } from './norms.ts';
import type { PadSpec } from './pad.ts';
import type { AvgPoolSpec, GlobalAvgPoolSpec, GlobalMaxPoolSpec, MaxPoolSpec } from './pools.ts';
import type { AvgPool1dSpec, MaxPool1dSpec } from './pools1d.ts';
import type { GruSpec, LstmSpec, RnnSpec } from './recurrent.ts';
import type { ReshapeSpec } from './reshape.ts';
import type { RmsNormSpec } from './rmsNorm.ts';
import type { SliceSpec } from './slice.ts';
import type { UpsampleSpec } from './upsample.ts';

/** A layer that computes. */
export type LeafSpec =
  | ActivationSpec
  | AdaptiveAvgPoolSpec
  | AdaptiveMaxPoolSpec
  | AvgPool1dSpec
  | AvgPoolSpec
  | BatchNormSpec
  | BatchRenormSpec
  | Conv1dSpec
  | Conv2dSpec
  | ConvTranspose2dSpec
  | CustomSpec
  | Dropout2dSpec
  | DropoutSpec
  | DropPathSpec
  | FilterResponseNormSpec
  | FlattenSpec
  | GlobalAvgPoolSpec
  | GlobalMaxPoolSpec
  | GroupNormSpec
  | GruSpec
  | InstanceNormSpec
  | LayerNormSpec
  | LinearSpec
  | LstmSpec
  | MaxPool1dSpec
  | MaxPoolSpec
  | PadSpec
  | ReshapeSpec
  | RmsNormSpec
  | RnnSpec
  | SliceSpec
  | UpsampleSpec;

/** Layers that run one after the other. */
export interface SequentialSpec {
  /** The kind of layer. */
  readonly kind: 'sequential';
  /** The layers, in the order in which they run. */
  readonly layers: readonly LayerSpec[];
}

/** body(x) + shortcut(x); without a shortcut body(x) + x. */
export interface ResidualSpec {
  /** The kind of layer. */
  readonly kind: 'residual';
  /** What is added to the shortcut. */
  readonly body: LayerSpec;
  /** A projection if the body changes the shape; null for the unchanged input. */
  readonly shortcut: LayerSpec | null;
}

/** A value of a graph, and how it is computed. */
export interface GraphNode {
  /** The name of the value within the graph, and of its layer in paths: `conv1`. */
  readonly name: string;
  /** A layer that reads one value, or a join that reads several. */
  readonly layer: LayerSpec | JoinSpec;
  /** The values that it reads: `input`, the input of the graph, or the names of earlier nodes. */
  readonly from: readonly string[];
}

/** Layers and joins in a valid order of execution; each value may have several readers. */
export interface GraphSpec {
  /** The kind of layer. */
  readonly kind: 'graph';
  /** The values besides the input. Each is the output or read by a later node. */
  readonly nodes: readonly GraphNode[];
  /** The name of the value that the graph outputs. */
  readonly output: string;
  /** Further outputs of a model, such as auxiliary classifiers: the names of their nodes by the
   * names of these heads. Each has its own loss. Only the graph that is the whole model may have
   * heads. Absent if there are none. */
  readonly heads?: Readonly<Record<string, string>>;
}

/** The name of a graph's input value. */
export const GRAPH_INPUT = 'input';
/** The name of the main output of a model with heads. */
export const MAIN_OUTPUT = 'main';

/** A layer or a whole model as plain data. */
export type LayerSpec = LeafSpec | SequentialSpec | ResidualSpec | GraphSpec;

/** A visitor that is called at each place of a model, with values of any type, in the order in
 * which layers run. The body of a residual comes before its shortcut. */
export interface ModelVisitor<Value> {
  /** A layer that computes, and its path: `2.residual.body.0.conv2d`. */
  leaf(spec: LeafSpec, path: string, input: Value): Value;
  /** One value for several readers. */
  fork(path: string, input: Value, count: number): readonly Value[];
  /** Several values become one. */
  join(spec: JoinSpec, path: string, inputs: readonly Value[]): Value;
  /** The start of a residual's branch or a graph's node, and what it reads. */
  begin?(name: string, from: readonly string[]): void;
  /** The value of a head, in the order of the heads. */
  head?(name: string, value: Value): void;
}

/** Walks through a model with a value. Throws a UsageError if the model is nested too deeply. */
export function visitModel<Value>(
  model: LayerSpec,
  input: Value,
  visitor: ModelVisitor<Value>,
): Value {
  checkDepth('The model', model);
  return visit(model, '', input, visitor);
}

function visit<Value>(
  spec: LayerSpec,
  path: string,
  input: Value,
  visitor: ModelVisitor<Value>,
): Value {
  if (isSequential(spec)) {
    let value = input;
    for (const [i, layer] of spec.layers.entries()) {
      const name = isSequential(layer) ? `${i}` : `${i}.${layer.kind}`;
      value = visit(layer, within(path, name), value, visitor);
    }
    return value;
  }
  if (isGraph(spec)) return visitGraph(spec, path, input, visitor);
  const ownPath = path === '' ? spec.kind : path;
  if (!isResidual(spec)) return visitor.leaf(spec, ownPath, input);
  const [left, right] = visitor.fork(ownPath, input, 2) as [Value, Value];
  visitor.begin?.('body', []);
  const body = visit(spec.body, `${ownPath}.body`, left, visitor);
  visitor.begin?.('shortcut', []);
  const { shortcut } = spec;
  const other = shortcut === null ? right : visit(shortcut, `${ownPath}.shortcut`, right, visitor);
  return visitor.join({ kind: 'add' }, ownPath, [body, other]);
}

function visitGraph<Value>(
  { nodes, output, heads = {} }: GraphSpec,
  path: string,
  input: Value,
  visitor: ModelVisitor<Value>,
): Value {
  const ends = [output, ...Object.values(heads)];
  const reads = [...nodes.flatMap(({ from }) => from), ...ends];
  /** The remaining copies of each value, one for each reader. */
  const left = new Map<string, Value[]>();
  const give = (name: string, value: Value): void => {
    const count = reads.filter((read) => read === name).length;
    const forkPath = `${within(path, name)}.fork`;
    left.set(name, count === 1 ? [value] : [...visitor.fork(forkPath, value, count)]);
  };
  const take = (name: string): Value => left.get(name)!.shift()!;
  give(GRAPH_INPUT, input);
  for (const { name, layer, from } of nodes) {
    visitor.begin?.(name, from);
    const inputs = from.map(take);
    const ownPath = within(path, name);
    give(
      name,
      isJoin(layer)
        ? visitor.join(layer, ownPath, inputs)
        : visit(layer, ownPath, inputs[0]!, visitor),
    );
  }
  visitor.begin?.('', ends);
  const main = take(output);
  for (const [name, node] of Object.entries(heads)) visitor.head?.(name, take(node));
  return main;
}

/** The names of a model's heads, in their order. */
export function headNames(model: LayerSpec): readonly string[] {
  return isGraph(model) ? Object.keys(model.heads ?? {}) : [];
}

function within(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isSequential(spec: LayerSpec): spec is SequentialSpec {
  return spec.kind === 'sequential';
}

function isResidual(spec: LayerSpec): spec is ResidualSpec {
  return spec.kind === 'residual';
}

function isGraph(spec: LayerSpec): spec is GraphSpec {
  return spec.kind === 'graph';
}

/** Calls `leaf` for each layer that computes, in the order in which they run. */
export function eachLeaf(model: LayerSpec, leaf: (leaf: LeafSpec, path: string) => void): void {
  visitModel<undefined>(model, undefined, {
    leaf(spec, path): undefined {
      leaf(spec, path);
    },
    fork: (_path, _input, count) => new Array<undefined>(count).fill(undefined),
    join: () => undefined,
  });
}

/** Returns the same model with every leaf replaced by the result of `change`. An empty sequential
 * removes the leaf. */
export function mapLeaves(
  spec: LayerSpec,
  change: (leaf: LeafSpec, path: string) => LayerSpec,
): LayerSpec {
  const changed: LayerSpec[] = [];
  eachLeaf(spec, (leaf, path) => changed.push(change(leaf, path)));
  return rebuild(spec, changed.values());
}

/** Returns the model with its leaves replaced in order. */
function rebuild(spec: LayerSpec, leaves: Iterator<LayerSpec>): LayerSpec {
  if (isSequential(spec)) {
    const layers = spec.layers.map((layer) => rebuild(layer, leaves));
    return { ...spec, layers: layers.filter((layer) => !isEmpty(layer)) };
  }
  if (isGraph(spec)) {
    // Fields keep their order: models are compared as JSON.
    const nodes = spec.nodes.map((node) => {
      return isJoin(node.layer) ? node : { ...node, layer: rebuild(node.layer, leaves) };
    });
    return { ...spec, nodes };
  }
  if (!isResidual(spec)) return leaves.next().value;
  const body = rebuild(spec.body, leaves);
  const shortcut = spec.shortcut === null ? null : rebuild(spec.shortcut, leaves);
  return { ...spec, body, shortcut };
}

function isEmpty(spec: LayerSpec): boolean {
  return isSequential(spec) && spec.layers.length === 0;
}

/** All leaves in the order in which they run. */
export function leavesOf(spec: LayerSpec): readonly LeafSpec[] {
  const leaves: LeafSpec[] = [];
  eachLeaf(spec, (leaf) => leaves.push(leaf));
  return leaves;
}

/** The path of each leaf, in the order in which they run, as buildGraph has them, but without
 * shapes. */
export function leafPaths(model: LayerSpec): readonly string[] {
  const paths: string[] = [];
  eachLeaf(model, (_leaf, path) => paths.push(path));
  return paths;
}

/** The modules of a model's custom layers. */
export function customModulesOf(spec: LayerSpec): readonly string[] {
  return leavesOf(spec).flatMap((leaf) => (leaf.kind === 'custom' ? [leaf.module] : []));
}
