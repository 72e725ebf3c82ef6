// Places the squared gradient norms that snapshots leave for the main thread.

import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';
import type { ParameterPlan } from './parameters.ts';

export interface GradientNormsPlan {
  readonly every: number;
  /** The sum of squares of each block, in each slot. */
  readonly squares: Region<'f64'>;
}

/** Places the snapshots in the arena; undefined if none are taken. */
export function planGradientNorms(
  builder: LayoutBuilder,
  parameters: ParameterPlan,
  every: number,
): GradientNormsPlan | undefined {
  if (every === 0) return undefined;
  const squares = builder.add({
    name: 'gradients.snapshots',
    type: 'f64',
    shape: [SNAPSHOT_SLOTS, parameters.blocks.length],
    writer: 'the owner of the block',
  });
  return { every, squares };
}
