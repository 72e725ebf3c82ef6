// Places the copy of the state before the current step, for runs that continue when a worker dies,
// and says which worker keeps which pieces of it. train/undo.ts uses them.

import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { keptOf } from '../optim/bindOptimizer.ts';
import { EPOCH_LENGTH } from '../reduce/epochSums.ts';
import type { RunConfig } from './config.ts';
import { countHeads } from './heads.ts';
import type { ParameterPlan } from './parameters.ts';
import type { ControlRegions, ParameterRegions } from './regions.ts';

/** Copies of what a step changes. */
export type UndoCopies = Pick<ParameterRegions, 'values' | 'optimizerState' | 'buffers'> &
  Pick<ControlRegions, 'epochSums'>;

export interface UndoPlan extends UndoCopies {
  /** {@link STAMP_STRIDE} for each worker. */
  readonly stamps: Region<'i32'>;
}

/** Each worker's stamps have their own cache line. */
export const STAMP_STRIDE = 32;

/** Places the copies. Returns undefined for runs that end if a worker dies. */
export function placeUndoCopies(
  builder: LayoutBuilder,
  config: RunConfig,
  { length, trainedLength, buffersLength }: ParameterPlan,
): UndoCopies | undefined {
  if (config.elastic !== true) return undefined;
  const place = <Type extends 'f32' | 'f64'>(
    name: string,
    type: Type,
    elements: number,
    writer: string,
  ): Region<Type> => builder.add({ name: `${name} before`, type, shape: [elements], writer });
  return {
    values: place('parameters', 'f32', length, 'owner of the block'),
    optimizerState: keptOf(config).map((kept) =>
      place(`optimizer.state ${kept}`, 'f32', trainedLength, 'owner of the block'),
    ),
    buffers: place('buffers', 'f64', buffersLength, 'owner of the layer'),
    epochSums: place('epoch.sums', 'f64', EPOCH_LENGTH + countHeads(config), 'rank 0'),
  };
}

/** Places the stamps, which say which copies are valid. */
export function placeStamps(builder: LayoutBuilder, workers: number): Region<'i32'> {
  return builder.add({
    name: 'undo.stamps',
    type: 'i32',
    shape: [workers, STAMP_STRIDE],
    writer: 'each rank',
  });
}
