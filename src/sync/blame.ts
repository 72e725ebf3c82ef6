// What an error says about the members of a group: which ones have not arrived, and what each of
// the others is doing. Read from the world's control words when a run fails; nothing here is
// performance-critical.

import { type ControlWords, LAST_LINE, rankWord, STATE, State, showLastCall } from './words.ts';

/** The maximum number of members to describe; the record of an abort has space for a few lines. */
const MAX_DESCRIBED = 8;

/** One sentence for each of these ranks of the world, the late ones first. */
export function describeRanks(
  world: ControlWords,
  ranks: readonly number[],
  late: readonly number[],
): readonly string[] {
  const inTime = ranks.filter((rank) => !late.includes(rank));
  const ordered = [...late, ...inTime];
  const described = ordered.slice(0, MAX_DESCRIBED).map((rank) => describeRank(world, rank));
  const left = ordered.length - described.length;
  return left === 0 ? described : [...described, `and ${left} more`];
}

function describeRank(world: ControlWords, rank: number): string {
  const line = Atomics.load(world, rankWord(rank) + LAST_LINE);
  const call = line === 0 ? undefined : showLastCall(world, line);
  const state = Atomics.load(world, rankWord(rank) + STATE);
  if (state === State.waiting) return `rank ${rank} waits in ${call ?? 'its first call'}`;
  const last = call === undefined ? 'without a call so far' : `last in ${call}`;
  return `rank ${rank} ${VERBS[state] ?? 'runs'}, ${last}`;
}

const VERBS: Readonly<Record<number, string>> = {
  [State.absent]: 'has not joined yet',
  [State.running]: 'runs',
  [State.done]: 'has finished',
  [State.dead]: 'has died',
};
