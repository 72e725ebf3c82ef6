// Which modules the losses of a run need. Apart from the builders, which threads do not load.

import type { LossSpec } from './losses.ts';

/** The modules of the user's losses, of the main output and of heads; none for other losses. */
export function lossModulesOf(run: {
  readonly loss?: LossSpec;
  readonly heads?: readonly { readonly loss?: LossSpec }[];
}): readonly string[] {
  const losses = [run, ...(run.heads ?? [])].map(({ loss }) => loss);
  return losses.flatMap((loss) => (loss?.kind === 'customLoss' ? [loss.module] : []));
}
