// From the flags of `syncbn train` to the config of a run, without starting any thread.

import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';
import { runOptionsFrom } from '../../src/cli/settings/settings.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';

export type ResolvedConfig = ReturnType<typeof resolveOptions>;

export async function resolve(raw: RawFlags, data: Dataset): Promise<ResolvedConfig> {
  return resolveOptions(await runOptionsFrom(new Flags(raw), data));
}
