// A model is plain data: specs that builder functions make, that JSON can hold, and that name their
// layers by `kind`. Composite specs (sequential, residual) only arrange others.

import type { ActivationSpec } from './activations.ts';
import type { BatchRenormSpec } from './batchRenorm.ts';
import type { Conv2dSpec } from './conv2d.ts';
import type { CustomSpec } from './custom.ts';
import { checkDepth } from './depth.ts';
import type { DropoutSpec } from './dropout.ts';
import type { FilterResponseNormSpec } from './filterResponseNorm.ts';
import type { FlattenSpec } from './flatten.ts';
import type { LinearSpec } from './linear.ts';
import type { BatchNormSpec, GroupNormSpec, InstanceNormSpec, LayerNormSpec } from './norms.ts';
import type { AvgPoolSpec, GlobalAvgPoolSpec, MaxPoolSpec } from './pools.ts';
import type { GruSpec, RnnSpec } from './recurrent.ts';
import type { ReshapeSpec } from './reshape.ts';
import type { RmsNormSpec } from './rmsNorm.ts';

/** A layer that computes. */
export type LeafSpec =
  | ActivationSpec
  | AvgPoolSpec
  | BatchNormSpec
  | BatchRenormSpec
  | Conv2dSpec
  | CustomSpec
  | DropoutSpec
  | FilterResponseNormSpec
  | FlattenSpec
  | GlobalAvgPoolSpec
  | GroupNormSpec
  | GruSpec
  | InstanceNormSpec
  | LayerNormSpec
  | LinearSpec
  | MaxPoolSpec
  | ReshapeSpec
  | RmsNormSpec
  | RnnSpec;

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

/** The same model with every leaf replaced by what `change` makes of it; an empty sequential takes
 * the leaf out. */
export function mapLeaves(spec: LayerSpec, change: (leaf: LeafSpec) => LayerSpec): LayerSpec {
  checkDepth('The model', spec);
  return mapChecked(spec, change);
}

function mapChecked(spec: LayerSpec, change: (leaf: LeafSpec) => LayerSpec): LayerSpec {
  if (spec.kind === 'sequential') {
    const layers = spec.layers.map((layer) => mapChecked(layer, change));
    return { ...spec, layers: layers.filter((layer) => !isEmpty(layer)) };
  }
  if (spec.kind === 'residual') {
    // The body first, as it runs: callers count leaves.
    const body = mapChecked(spec.body, change);
    const shortcut = spec.shortcut === null ? null : mapChecked(spec.shortcut, change);
    return { ...spec, body, shortcut };
  }
  return change(spec);
}

function isEmpty(spec: LayerSpec): boolean {
  return spec.kind === 'sequential' && spec.layers.length === 0;
}

/** All leaves in the order in which they run. */
export function leavesOf(spec: LayerSpec): readonly LeafSpec[] {
  const leaves: LeafSpec[] = [];
  mapLeaves(spec, (leaf) => {
    leaves.push(leaf);
    return leaf;
  });
  return leaves;
}

/** The modules of a model's own layers. */
export function customModulesOf(spec: LayerSpec): readonly string[] {
  return leavesOf(spec).flatMap((leaf) => (leaf.kind === 'custom' ? [leaf.module] : []));
}
