// The job of launches over several processes: does what `args.what` says.

import type { JobContext } from '../../../src/runtime/launchWorker.ts';
import type { Group } from '../../../src/sync/group.ts';
import { checkCopies, checkReductions } from '../ranks/gridScenarios.ts';
import { checkRandomCalls } from '../ranks/randomScenario.ts';

export interface LaunchArgs {
  readonly what: keyof typeof deeds;
  readonly count?: number;
  readonly seed?: number;
}

type Context = JobContext<LaunchArgs>;

/** Sums and products whose bits depend on their order, of arrays from a value to several slots. */
function orderOf(group: Group): readonly Float64Array[] {
  return [1, 100, 3000, 40_000].flatMap((length) => {
    const array = Float64Array.from({ length }, (_, i) => Math.sin(i + 1) * 10 ** (group.rank % 5));
    const scanned = group.exclusiveScan(array.slice(), 'sum');
    const floats = group.allReduce(Float32Array.from(array), 'mean');
    return [group.allReduce(array.slice(), 'sum'), scanned, Float64Array.from(floats)];
  });
}

const deeds = {
  context: ({ rank, worldSize }: Context) => ({ rank, worldSize }),
  random: ({ group, args }: Context) => checkRandomCalls(group, args.count!, args.seed!),
  grid: ({ group }: Context) => [
    ...checkReductions(group, 'private').wrong,
    ...checkCopies(group, 'mixed').wrong,
  ],
  order: ({ group }: Context) => orderOf(group),
};

export default function job(context: Context): unknown {
  return deeds[context.args.what](context);
}
