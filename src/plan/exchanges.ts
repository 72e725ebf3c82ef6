// What processes exchange in a step beside the reductions' vectors: with the gradients, with what
// is folded of them, and in snapshot steps. Nothing where there is but one process.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import { GRAIN_SUMS } from '../reduce/epochSums.ts';
import type { Span } from '../reduce/tree.ts';
import { type ArenaRange, type ExchangedRanges, joinRanges } from '../sync/call.ts';
import type { RunPlan } from './plan.ts';
import { VOTE_STRIDE } from './regions.ts';

const WORD_BYTES = 4;

/** With the gradients: their subtrees, the sums of losses and hits, the votes, and the folded
 * statistics of groups that lie elsewhere. */
export function gradientsExchange(plan: RunPlan): ExchangedRanges {
  const { control } = plan.regions;
  const moments = [...plan.reductions.values()].filter(
    ({ declared }) => declared.combine === 'moments',
  );
  return joinRanges([
    plan.gradients.toFolding,
    fromEach(plan, (process) =>
      rowsOf(control.grainSums, processGrains(plan, process), GRAIN_BYTES),
    ),
    fromEach(plan, (process) => rowsOf(control.votes, processRanks(plan, process), VOTE_BYTES)),
    ...moments.map(({ folded }) => folded),
  ]);
}

/** In snapshot steps: what each worker leaves for the diagnostics. */
export function snapshotExchange(plan: RunPlan): ExchangedRanges {
  const layers = plan.diagnostics?.layers ?? [];
  return fromEach(plan, (process) => {
    const { lo, hi } = processRanks(plan, process);
    return layers.flatMap(({ pieces }) => pieces.slice(lo, hi));
  });
}

/** The most bytes that go from one process to another at once. */
export function largestExchange(plan: RunPlan): number {
  const vectors = [
    ...plan.reductions.values(),
    ...plan.populations.map(({ reduction }) => reduction),
  ];
  const between = vectors.flatMap((reduction) => reduction.between ?? []);
  const exchanges = [
    gradientsExchange(plan),
    plan.gradients.toAll,
    snapshotExchange(plan),
    // Layers side by side exchange together.
    ...between.flatMap((one) => between.map((other) => joinRanges([one, other]))),
  ];
  const sizes = exchanges.flatMap(({ sends, receives }) =>
    [...sends, ...receives].map((ranges) =>
      ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ),
  );
  return HEADER_ROOM_BYTES + Math.max(...sizes);
}

/** More than a link puts before each message. */
const HEADER_ROOM_BYTES = 256;

/** The ranks of a process among those of all. */
function processRanks({ config }: Pick<RunPlan, 'config'>, process: number): Span {
  const workers = config.place?.workers ?? [config.workers];
  const lo = workers.slice(0, process).reduce((sum, count) => sum + count, 0);
  return { lo, hi: lo + workers[process]! };
}

const GRAIN_BYTES = GRAIN_SUMS * DOUBLE_BYTES;
const VOTE_BYTES = VOTE_STRIDE * WORD_BYTES;

function processGrains({ grains }: RunPlan, process: number): Span {
  return grains.processes[process]!;
}

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
