// The processes of a world, as one of its threads sees them: how many ranks each has, and how a
// group across several of them opens its messages.

import { InvariantError } from '../base/errors.ts';
import type { Transport } from './transport.ts';

/** Identifies the messages of a group: those of the owner's `index`-th link. The owner is the
 * process of the group's first member. When a group is freed, its numbers are reused with another
 * generation. */
export interface LinkName {
  readonly owner: number;
  /** Counted from 1; 0 is the world's group. */
  readonly index: number;
  readonly generation: number;
}

/** The processes of a world. */
export interface Peers {
  /** This process. */
  readonly process: number;
  /** The number of ranks of each process; those of process 0 come first. */
  readonly workers: readonly number[];
  /** The name of each process in errors: `process 2 on host b`. */
  readonly names: readonly string[];
  /** The maximum number of links that each process may own besides the world's. */
  readonly mostLinks: number;
  /** Opens the messages of a group. */
  open(link: LinkName): Transport;
}

/** The link of the world's group. */
export const WORLD_LINK: LinkName = { owner: 0, index: 0, generation: 0 };

/** The bits of an index; every MPI library has that many tags. */
const INDEX_BITS = 15;
const MAX_INDEX = 2 ** INDEX_BITS - 1;

/** Packs index and generation into one 32-bit number. */
export function packLink({ index, generation }: Omit<LinkName, 'owner'>): number {
  return index | (generation << INDEX_BITS) | 0;
}

/** The link of {@link packLink}'s number. */
export function unpackLink(owner: number, packed: number): LinkName {
  return { owner, index: packed & MAX_INDEX, generation: packed >>> INDEX_BITS };
}

/** The only process of a world of `worldSize` ranks. */
export function aloneWith(worldSize: number): Peers {
  return {
    process: 0,
    workers: [worldSize],
    names: ['this process'],
    mostLinks: 0,
    open() {
      throw new InvariantError('links of a process', 'one', 'none where there is no other process');
    },
  };
}

/** The process of a rank of the world. */
export function processOf(workers: readonly number[], worldRank: number): number {
  let end = 0;
  return workers.findIndex((count) => {
    end += count;
    return worldRank < end;
  });
}

/** The ranks of a group in each process, in rank order. */
export function ranksByProcess(
  workers: readonly number[],
  worldRanks: readonly number[],
): readonly (readonly number[])[] {
  const ranks: number[][] = workers.map(() => []);
  worldRanks.forEach((worldRank, rank) => {
    ranks[processOf(workers, worldRank)]!.push(rank);
  });
  return ranks;
}
