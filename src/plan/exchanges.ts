// What processes exchange in a step beside the reductions' vectors: with the gradients, with what
// is folded of them, and in snapshot steps. Nothing where there is but one process.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import { GRAIN_SUMS } from '../reduce/epochSums.ts';
import type { Span } from '../reduce/tree.ts';
import { type ArenaRange, type ExchangedRanges, joinRanges } from '../sync/call.ts';
import type { RunPlan } from './plan.ts';
import { VOTE_STRIDE } from './regions.ts';

const WORD_BYTES = 4;

/** With the gradients: the subtrees of their last part, the sums of losses and hits, the votes, and
 * the folded statistics of groups that lie elsewhere. */
export function gradientsExchange(plan: RunPlan): ExchangedRanges {
  const { grains } = plan;
  const { control } = plan.regions;
  const moments = [...plan.reductions.values()].filter(
    ({ declared }) => declared.combine === 'moments',
  );
  const last = plan.gradients.parts.at(-1)!;
  return joinRanges([
    last.toFolding,
    fromEach(plan, (process) => rowsOf(control.grainSums, grains.processes[process]!, GRAIN_BYTES)),
    fromEach(plan, (process) => rowsOf(control.votes, grains.processRanks[process]!, VOTE_BYTES)),
    ...moments.map(({ folded }) => folded),
  ]);
}

/** In snapshot steps: what each worker leaves for the diagnostics. */
export function snapshotExchange(plan: RunPlan): ExchangedRanges {
  const layers = plan.diagnostics?.layers ?? [];
  return fromEach(plan, (process) => {
    const { lo, hi } = plan.grains.processRanks[process]!;
    return layers.flatMap(({ pieces }) => pieces.slice(lo, hi));
  });
}

/** Of the exchanges that take turns, the most bytes that go from one process to another. */
export function largestExchange(plan: RunPlan): number {
  const vectors = [
    ...plan.reductions.values(),
    ...plan.populations.map(({ reduction }) => reduction),
  ];
  // Layers side by side exchange together.
  const together = vectors.map(({ between }) => (between === undefined ? 0 : 2 * sizeOf(between)));
  const others = [gradientsExchange(plan), plan.gradients.toAll, snapshotExchange(plan)];
  return HEADER_ROOM_BYTES + Math.max(...together, ...others.map(sizeOf));
}

/** The same of each part of the gradients that goes while backward runs. */
export function earlyExchanges({ gradients }: RunPlan): readonly number[] {
  return gradients.parts.slice(0, -1).map((part) => HEADER_ROOM_BYTES + sizeOf(part.toFolding));
}

function sizeOf({ sends, receives }: ExchangedRanges): number {
  return Math.max(
    ...[...sends, ...receives].map((ranges) =>
      ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ),
  );
}

/** More than a link puts before each message. */
const HEADER_ROOM_BYTES = 256;

const GRAIN_BYTES = GRAIN_SUMS * DOUBLE_BYTES;
const VOTE_BYTES = VOTE_STRIDE * WORD_BYTES;

/** Everybody's part of what lies at the same place in each arena. */
function fromEach(
  { grains }: RunPlan,
  rangesOf: (process: number) => readonly ArenaRange[],
): ExchangedRanges {
  const { processes, process } = grains;
  const own = rangesOf(process);
  return {
    sends: processes.map((_, other) => (other === process ? [] : own)),
    receives: processes.map((_, other) => (other === process ? [] : rangesOf(other))),
  };
}

function rowsOf(
  { offsetBytes }: ArenaRange,
  { lo, hi }: Span,
  rowBytes: number,
): readonly ArenaRange[] {
  return [{ offsetBytes: offsetBytes + lo * rowBytes, sizeBytes: (hi - lo) * rowBytes }];
}
