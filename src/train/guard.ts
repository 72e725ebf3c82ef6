// Whether all of a step is finite, known alike to all workers: each leaves a vote about its own
// part, the next synchronization publishes it, and each reads them all. Nothing is allocated.

import { viewOf } from '../memory/arena.ts';
import type { OnNonFinite } from '../plan/onNonFinite.ts';
import { type RunRegions, VOTE_STRIDE } from '../plan/regions.ts';
import type { GrainPlan } from '../reduce/grains.ts';

/** Before the update, with the gradients: losses and each worker's part of the gradients. After it,
 * with the weights: their totals and running statistics. Each has a place of its own, so that none
 * is written while another worker still reads it. */
export const VOTE_PARTS = 0;
export const VOTE_STATE = 1;

const FINITE = 1;
const NOT_FINITE = 0;

export interface Guard {
  /** Leaves this worker's vote. */
  vote(place: number, isGood: boolean): void;
  /** Whether all voted finite; after a synchronization. */
  areAllFinite(place: number): boolean;
}

/** Binds the votes to a worker; undefined where a run goes on whatever its numbers are. */
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
      // What follows the gradients is the same in all processes, so each asks its own workers.
      const { lo, hi } = place === VOTE_PARTS ? all : own;
      for (let voter = lo; voter < hi; voter++) {
        if (votes[voter * VOTE_STRIDE + place] !== FINITE) return false;
      }
      return true;
    },
  };
}
