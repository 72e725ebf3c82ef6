// Where workers vote whether all of a step is finite.

import type { LayoutBuilder } from '../memory/layout.ts';

export const VOTES_REGION = 'finite.votes';
/** The votes of a worker have a cache line of their own. */
export const VOTE_STRIDE = 32;

/** Places the votes in the arena. */
export function planVotes(builder: LayoutBuilder, workers: number): void {
  const shape = [workers, VOTE_STRIDE];
  builder.add({ name: VOTES_REGION, type: 'i32', shape, writer: 'each rank' });
}
