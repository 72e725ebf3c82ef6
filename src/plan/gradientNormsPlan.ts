// Where the squares of gradients lie that snapshot steps leave for main.

import type { LayoutBuilder } from '../memory/layout.ts';
import { SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';
import type { ParameterPlan } from './parameters.ts';

export const GRADIENT_NORMS_REGION = 'gradients.snapshots';

/** Places the snapshots in the arena, where any are taken. */
export function planGradientNorms(
  builder: LayoutBuilder,
  parameters: ParameterPlan,
  every: number,
): void {
  if (every === 0) return;
  const shape = [SNAPSHOT_SLOTS, parameters.blocks.length];
  const writer = 'the owner of the block';
  builder.add({ name: GRADIENT_NORMS_REGION, type: 'f64', shape, writer });
}
