// Which modules a loss needs. Apart from the builders, which threads do not load.

import type { LossSpec } from './losses.ts';

/** The module of a loss of the user's; none for other losses. */
export function lossModulesOf(loss: LossSpec | undefined): readonly string[] {
  return loss?.kind === 'customLoss' ? [loss.module] : [];
}
