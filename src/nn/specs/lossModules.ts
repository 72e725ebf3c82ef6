// The modules that the losses of a run need. Separate from the builders, which threads do not load.

import type { LossSpec } from './losses.ts';

/** The modules of the custom losses of the main output and the heads; other losses have none. */
export function lossModulesOf(run: {
  readonly loss?: LossSpec;
  readonly heads?: readonly { readonly loss?: LossSpec }[];
}): readonly string[] {
  const losses = [run, ...(run.heads ?? [])].map(({ loss }) => loss);
  return losses.flatMap((loss) => (loss?.kind === 'customLoss' ? [loss.module] : []));
}
