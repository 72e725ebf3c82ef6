// A model is plain data: specs that builder functions make, that JSON can hold, and that name their
// layers by `kind`. Composite specs (sequential, residual) only arrange others.

import type { ActivationSpec } from './activations.ts';
import type { AdaptiveAvgPoolSpec, AdaptiveMaxPoolSpec } from './adaptivePools.ts';
import type { BatchRenormSpec } from './batchRenorm.ts';
import type { Conv1dSpec } from './conv1d.ts';
import type { Conv2dSpec } from './conv2d.ts';
import type { ConvTranspose2dSpec } from './convTranspose2d.ts';
import type { CustomSpec } from './custom.ts';
import { checkDepth } from './depth.ts';
import type { DropoutSpec } from './dropout.ts';
import type { FilterResponseNormSpec } from './filterResponseNorm.ts';
import type { FlattenSpec } from './flatten.ts';
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
  | DropoutSpec
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

/** Layers one behind the other. */
export interface SequentialSpec {
  readonly kind: 'sequential';
  readonly layers: readonly LayerSpec[];
}

/** body(x) + shortcut(x); without a shortcut body(x) + x. */
export interface ResidualSpec {
  readonly kind: 'residual';
  readonly body: LayerSpec;
  readonly shortcut: LayerSpec | null;
}

export type LayerSpec = LeafSpec | SequentialSpec | ResidualSpec;

/** What a walk over a model meets, in the order in which layers run: the body of a residual before
 * its shortcut. */
export interface ModelVisitor {
  /** A layer that computes, and where it stands: `2.residual.body.0.conv2d`. */
  leaf(spec: LeafSpec, path: string): unknown;
  body?(spec: ResidualSpec, path: string): void;
  /** Between the branches of a residual, also where the shortcut is the identity. */
  shortcut?(spec: ResidualSpec, path: string): void;
  end?(spec: ResidualSpec, path: string): void;
}

/** Walks over a model. Throws a UsageError where it is nested too deeply. */
export function walkModel(model: LayerSpec, visitor: ModelVisitor): void {
  checkDepth('The model', model);
  walk(model, '', visitor);
}

function walk(spec: LayerSpec, path: string, visitor: ModelVisitor): void {
  if (isSequential(spec)) {
    const prefix = path === '' ? '' : `${path}.`;
    for (const [i, layer] of spec.layers.entries()) {
      walk(layer, `${prefix}${isSequential(layer) ? i : `${i}.${layer.kind}`}`, visitor);
    }
    return;
  }
  const ownPath = path === '' ? spec.kind : path;
  if (!isResidual(spec)) {
    visitor.leaf(spec, ownPath);
    return;
  }
  visitor.body?.(spec, ownPath);
  walk(spec.body, `${ownPath}.body`, visitor);
  visitor.shortcut?.(spec, ownPath);
  if (spec.shortcut !== null) walk(spec.shortcut, `${ownPath}.shortcut`, visitor);
  visitor.end?.(spec, ownPath);
}

function isSequential(spec: LayerSpec): spec is SequentialSpec {
  return spec.kind === 'sequential';
}

function isResidual(spec: LayerSpec): spec is ResidualSpec {
  return spec.kind === 'residual';
}

/** The same model with every leaf replaced by what `change` makes of it; an empty sequential takes
 * the leaf out. */
export function mapLeaves(
  spec: LayerSpec,
  change: (leaf: LeafSpec, path: string) => LayerSpec,
): LayerSpec {
  const changed: LayerSpec[] = [];
  walkModel(spec, { leaf: (leaf, path) => changed.push(change(leaf, path)) });
  return rebuild(spec, changed.values());
}

/** The model with its leaves replaced in order. */
function rebuild(spec: LayerSpec, leaves: Iterator<LayerSpec>): LayerSpec {
  if (isSequential(spec)) {
    const layers = spec.layers.map((layer) => rebuild(layer, leaves));
    return { ...spec, layers: layers.filter((layer) => !isEmpty(layer)) };
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
  walkModel(spec, { leaf: (leaf) => leaves.push(leaf) });
  return leaves;
}

/** Where each leaf stands, in the order in which they run: the paths of buildGraph, which needs
 * shapes. */
export function leafPaths(model: LayerSpec): readonly string[] {
  const paths: string[] = [];
  walkModel(model, { leaf: (_leaf, path) => paths.push(path) });
  return paths;
}

/** The modules of a model's own layers. */
export function customModulesOf(spec: LayerSpec): readonly string[] {
  return leavesOf(spec).flatMap((leaf) => (leaf.kind === 'custom' ? [leaf.module] : []));
}
