// The job of launches over several processes: does what `args.what` says.

import { normsFor } from '../../../src/direct/normsFor.ts';
import type { JobContext } from '../../../src/runtime/launchWorker.ts';
import type { Group } from '../../../src/sync/group.ts';
import { checkCopies, checkReductions } from '../ranks/gridScenarios.ts';
import { checkRandomCalls } from '../ranks/randomScenario.ts';

export interface LaunchArgs {
  readonly what: keyof typeof deeds;
  /** The number of random calls, and their seed. */
  readonly count?: number;
  readonly seed?: number;
  /** The rank that differs from the others. */
  readonly odd?: number;
}

type Context = JobContext<LaunchArgs>;

/** Results whose bits depend on the order of the ranks, of arrays from a value to several slots. */
function orderOf(group: Group): readonly Float64Array[] {
  return [1, 100, 3000, 20_000].flatMap((length) => {
    const array = Float64Array.from({ length }, (_, i) => Math.sin(i + 1) * 10 ** (group.rank % 5));
    const scanned = group.exclusiveScan(array.slice(), 'sum');
    const floats = group.allReduce(Float32Array.from(array), 'mean');
    const first = group.reduce(array.slice(), 'prod', group.worldSize - 1);
    return [group.allReduce(array.slice(), 'sum'), scanned, Float64Array.from(floats), first];
  });
}

/** The ranks of a group in the world, as its members tell. */
function ranksOf(group: Group, rank: number): string {
  const ranks = group.allGather(new Int32Array([rank]), new Int32Array(group.worldSize));
  return ranks.join(' ');
}

/** Groups that live side by side, of which some cross processes; members use them in orders of
 * their own, and free them. */
function splitsOf(world: Group): readonly string[] {
  const { rank, worldSize } = world;
  const found: string[] = [];
  // One after the other has the memory and the messages of the one before it.
  for (let round = 0; round < 12; round++) {
    const again = world.split(0)!;
    found.push(ranksOf(again, rank));
    again.free();
  }
  for (let round = 0; round < 2; round++) {
    const parity = world.split(rank % 2)!;
    const backwards = world.split(0, -rank)!;
    const ends = world.split(rank === 0 || rank === worldSize - 1 ? 1 : null);
    // The members of one color are at theirs while the others are.
    const sums = Array.from({ length: 3 }, (_, i) => {
      return parity.allReduce(new Float64Array([rank, i]), 'sum').join(' ');
    });
    const inner = parity.split(parity.rank === 0 ? null : 3);
    const below = ends?.exclusiveScan(new Float64Array(3000).fill(rank + 1), 'sum').at(-1);
    found.push(ranksOf(parity, rank), ranksOf(backwards, rank), ...sums, `${below}`);
    if (inner !== null) found.push(ranksOf(inner, rank));
    if (round === 1) continue;
    inner?.free();
    ends?.free();
    parity.free();
    backwards.free();
  }
  return found;
}

/** A batch normalization whose rows are spread over the ranks, which have different numbers. */
function normOf(group: Group): readonly Float32Array[] {
  const channels = 3;
  const x = Float32Array.from({ length: (1 + group.rank) * channels }, (_, i) => {
    return Math.cos(i * 7 + group.rank);
  });
  const norm = normsFor(group).batchNorm(channels);
  const { y, saved } = norm.forward(x);
  return [y, norm.backward(x, saved).dx];
}

const deeds = {
  grid: ({ group }: Context) => [
    ...checkReductions(group, 'private').wrong,
    ...checkCopies(group, 'mixed').wrong,
  ],
  all: ({ group, args }: Context) => ({
    wrong: checkRandomCalls(group, args.count!, args.seed!),
    order: orderOf(group),
    splits: splitsOf(group),
    norm: normOf(group),
    isCounted: group.stats().calls > args.count!,
  }),
  throw: ({ rank, group, args }: Context) => {
    group.barrier();
    if (rank === args.odd) throw new TypeError('the job is wrong');
    group.barrier();
  },
  differ: ({ rank, group, args }: Context) => {
    group.barrier();
    if (rank === args.odd) group.allReduce(new Float32Array(8), 'sum');
    else group.allReduce(new Float64Array(8), 'sum');
  },
  /** Counts of large and small arrays. */
  counts: ({ rank, group, args }: Context) => {
    const count = args.count!;
    const counts = Array.from({ length: group.worldSize }, () => count);
    if (rank === args.odd) counts[0] = count + 1;
    const output = new Float32Array(counts.reduce((sum, length) => sum + length));
    group.allGatherV(new Float32Array(counts[rank]!), output, counts);
  },
  /** Returns while another one waits for it, in a group of the first and the last. */
  leave: ({ rank, group, args }: Context) => {
    const pair = group.split(rank === 0 || rank === group.worldSize - 1 ? 0 : null);
    if (rank !== args.odd) pair?.barrier();
  },
  swallow: ({ rank, group, args }: Context) => {
    if (rank === args.odd) throw new TypeError('the job is wrong');
    try {
      group.barrier();
    } catch {
      return 'nothing happened';
    }
    return undefined;
  },
  /** Groups that are never freed. */
  keep: ({ group }: Context) => {
    for (;;) group.split(0);
  },
  shared: ({ rank, group, args }: Context) => (rank === args.odd ? group.allocate('int32', 2) : 0),
  /** One tells its process and waits to be killed, while the others wait for it. */
  wait: ({ rank, group, args }: Context) => {
    group.barrier();
    if (rank !== args.odd) group.barrier({ label: 'of the others' });
    process.kill(process.pid, 'SIGKILL');
  },
};

export default function job(context: Context): unknown {
  return deeds[context.args.what](context);
}
