// Decides whether a whole step is finite, with the same result on all workers: each votes on its
// own part, the next synchronization publishes the votes, and each reads all of them. Nothing is
// allocated.

import { viewOf } from '../memory/arena.ts';
import type { OnNonFinite } from '../plan/onNonFinite.ts';
import { type RunRegions, VOTE_STRIDE } from '../plan/regions.ts';
import type { GrainPlan } from '../reduce/grains.ts';

/** Votes before the update, with the gradients, are about losses and each worker's part of the
 * gradients. Votes after it, with the weights, are about the totals and running statistics. They
 * have separate places, so none is written while another worker still reads it. */
export const VOTE_PARTS = 0;
export const VOTE_STATE = 1;

const FINITE = 1;
const NOT_FINITE = 0;

export interface Guard {
  /** Leaves this worker's vote. */
  vote(place: number, isGood: boolean): void;
  /** Whether all voted finite. Call it after a synchronization. */
  areAllFinite(place: number): boolean;
}

/** Binds the votes to a worker. Returns undefined if the run continues regardless of its
 * numbers. */
export function bindGuard(
  plan: {
    readonly regions: RunRegions;
    readonly grains: GrainPlan;
    readonly config: { readonly onNonFinite?: OnNonFinite };
  },
  memory: WebAssembly.Memory,
  rank: number,
): Guard | undefined {
  if (plan.config.onNonFinite === 'continue') return undefined;
  const { ranks, processRanks, process } = plan.grains;
  const own = processRanks[process]!;
  const all = { lo: 0, hi: ranks.length };
  const votes = viewOf(memory, plan.regions.control.votes);
  return {
    vote(place, isGood) {
      votes[(own.lo + rank) * VOTE_STRIDE + place] = isGood ? FINITE : NOT_FINITE;
    },
    areAllFinite(place) {
      // Everything after the gradients is the same in all processes, so each only checks its own
      // workers.
      const { lo, hi } = place === VOTE_PARTS ? all : own;
      for (let voter = lo; voter < hi; voter++) {
        if (votes[voter * VOTE_STRIDE + place] !== FINITE) return false;
      }
      return true;
    },
  };
}
