// Lets a run continue when a worker dies: each worker copies its pieces of the state before it
// changes them. Between two steps the state is consistent. During the update some pieces may be of
// the old step and some of the new one. If so, the changed pieces are restored from the copies,
// which gives the state of the old step.
//
// No worker begins to change its pieces in a step before all have changed theirs in the previous
// one, because the gradients are synchronized in between. So at most one step is unfinished.

import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import type { ParameterBlock } from '../plan/parameters.ts';
import { buffersOwner, type RunPlan } from '../plan/plan.ts';
import { STAMP_STRIDE } from '../plan/undoPlan.ts';

// Of the stamps of a worker, each with the number of the step, counted from 1.
/** The copies are from before this step, and the worker may be changing its pieces. */
const CHANGING = 0;
/** The worker has changed all of its pieces. */
const CHANGED = 1;

/** What a worker does in each step. */
export interface Undo {
  /** Copies this worker's pieces before the first one is changed. */
  keep(step: number): void;
  /** Marks all pieces as changed. */
  changed(step: number): void;
}

/** A piece of the state, and the address of its copy. */
interface Piece {
  readonly state: Float32Array | Float64Array;
  readonly copy: Float32Array | Float64Array;
}

/** Binds a worker's copies. Returns undefined for runs that end if a worker dies. */
export function bindUndo(
  plan: RunPlan,
  memory: WebAssembly.Memory,
  rank: number,
): Undo | undefined {
  if (plan.undo === undefined) return undefined;
  const pieces = piecesOf(plan, memory, rank);
  const stamps = viewOf(memory, plan.undo.stamps);
  const ownStamp = rank * STAMP_STRIDE;
  return {
    keep(step) {
      for (const { state, copy } of pieces) copy.set(state as Float32Array);
      Atomics.store(stamps, ownStamp + CHANGING, step + 1);
    },
    changed(step) {
      Atomics.store(stamps, ownStamp + CHANGED, step + 1);
    },
  };
}

/** Forgets the steps so far; the current state is consistent. Called by the main thread while no
 * worker trains. */
export function clearStamps({ undo }: RunPlan, memory: WebAssembly.Memory): void {
  if (undo !== undefined) viewOf(memory, undo.stamps).fill(0);
}

/** Makes the state consistent again. Called by the main thread once no worker is left. Returns the
 * number of completed steps, or undefined if no change began since the stamps were cleared. */
export function restoreStep(plan: RunPlan, memory: WebAssembly.Memory): number | undefined {
  if (plan.undo === undefined) return undefined;
  const stamps = viewOf(memory, plan.undo.stamps);
  const ranks = plan.workers.map(({ rank }) => rank);
  const stampOf = (rank: number, what: number): number =>
    Atomics.load(stamps, rank * STAMP_STRIDE + what);
  const last = Math.max(...ranks.map((rank) => stampOf(rank, CHANGING)));
  if (last === 0) return undefined;
  if (ranks.every((rank) => stampOf(rank, CHANGED) === last)) return last;
  for (const rank of ranks.filter((candidate) => stampOf(candidate, CHANGING) === last)) {
    for (const { state, copy } of piecesOf(plan, memory, rank)) state.set(copy as Float32Array);
  }
  return last - 1;
}

/** The pieces that a worker changes in a step: its blocks, the buffers of its layers and, on rank
 * 0, the sums of the epoch. */
function piecesOf(plan: RunPlan, memory: WebAssembly.Memory, rank: number): readonly Piece[] {
  const { undo, parameters, gradients, graph, regions } = plan;
  if (undo === undefined) return [];
  const { lo, hi } = gradients.updated[rank]!;
  const { values, optimizerState, buffers } = regions.parameters;
  const owned = parameters.blocks.slice(lo, hi);
  const pieceOf = (
    [state, copy]: readonly [Region<'f32'>, Region<'f32'>],
    [from, to]: readonly [number, number],
  ): Piece => ({
    state: viewOf(memory, state).subarray(from, to),
    copy: viewOf(memory, copy).subarray(from, to),
  });
  const pieces = [
    pieceOf([values, undo.values], elementsOf(owned, 'offset')),
    ...optimizerState.map((state, i) =>
      pieceOf([state, undo.optimizerState[i]!], elementsOf(owned, 'trainedOffset')),
    ),
  ];
  for (const operation of graph.operations) {
    if (operation.op !== 'layer' || buffersOwner(plan, operation) !== rank) continue;
    for (const { layerPath, offset, length } of parameters.buffers) {
      if (layerPath !== operation.path) continue;
      const end = offset + length;
      pieces.push({
        state: viewOf(memory, buffers).subarray(offset, end),
        copy: viewOf(memory, undo.buffers).subarray(offset, end),
      });
    }
  }
  if (rank !== 0) return pieces;
  const epoch = regions.control.epochSums;
  pieces.push({ state: viewOf(memory, epoch), copy: viewOf(memory, undo.epochSums) });
  return pieces;
}

/** The range that consecutive blocks occupy in a region. */
function elementsOf(
  blocks: readonly ParameterBlock[],
  offset: 'offset' | 'trainedOffset',
): readonly [number, number] {
  const [first] = blocks;
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) return [0, 0];
  return [first.entry[offset] + first.start, last.entry[offset] + last.start + last.length];
}
