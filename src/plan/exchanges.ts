// What processes exchange in a step besides the vectors of reductions: with the gradients, with the
// folded gradients, and in snapshot steps. Nothing if there is only one process. Also the list of
// all exchanges of a step, for callers that want to know what it sends.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { LayerOperation } from '../nn/graph/graph.ts';
import { layersSideBySide } from '../nn/graph/sideBySide.ts';
import { gradientsNeeded } from '../nn/graph/storage.ts';
import type { Span } from '../reduce/tree.ts';
import { type ArenaRange, type ExchangedRanges, joinRanges } from '../sync/call.ts';
import { HEADER_BYTES } from '../sync/link.ts';
import { reductionName, reductionsOf } from './declaredReductions.ts';
import type { RunPlan } from './plan.ts';
import { VOTE_STRIDE } from './regions.ts';

const WORD_BYTES = 4;

/** The exchange with the gradients: the subtrees of their last part, the sums of losses and hits,
 * the votes, and the folded statistics of groups in other processes. */
export function gradientsExchange(plan: RunPlan): ExchangedRanges {
  const { grains } = plan;
  const { control } = plan.regions;
  const moments = [...plan.reductions.values()].filter(
    ({ declared }) => declared.combine === 'moments',
  );
  const last = plan.gradients.parts.at(-1)!;
  const grainBytes = control.grainSums.shape[1]! * DOUBLE_BYTES;
  return joinRanges([
    last.toFolding,
    fromEach(plan, (process) => rowsOf(control.grainSums, grains.processes[process]!, grainBytes)),
    fromEach(plan, (process) => rowsOf(control.votes, grains.processRanks[process]!, VOTE_BYTES)),
    ...moments.map(({ folded }) => folded),
  ]);
}

/** The exchange in snapshot steps: what each worker leaves for the diagnostics. */
export function snapshotExchange(plan: RunPlan): ExchangedRanges {
  const layers = plan.diagnostics?.layers ?? [];
  return fromEach(plan, (process) => {
    const { lo, hi } = plan.grains.processRanks[process]!;
    return layers.flatMap(({ pieces }) => pieces.slice(lo, hi));
  });
}

/** An exchange of a step. */
export interface StepExchange extends ExchangedRanges {
  /** What it carries: statistics of norms; subtrees of gradients, to the processes that fold them;
   * folded gradients, to all. */
  readonly part: 'statistics' | 'gradients' | 'foldedGradients';
}

/** All exchanges of a step without a snapshot. Those of the gradients come last; the others are in
 * no particular order. */
export function stepExchanges(plan: RunPlan): readonly StepExchange[] {
  if (plan.grains.processes.length === 1) return [];
  return [
    ...statisticsExchanges(plan).map((ranges) => ({ part: 'statistics' as const, ...ranges })),
    ...plan.gradients.parts
      .slice(0, -1)
      .map(({ toFolding }) => ({ part: 'gradients' as const, ...toFolding })),
    { part: 'gradients', ...gradientsExchange(plan) },
    { part: 'foldedGradients', ...plan.gradients.toAll },
  ];
}

/** The exchanges of all reductions that are needed: one for each, or one for two layers side by
 * side. */
function statisticsExchanges({ graph, reductions }: RunPlan): readonly ExchangedRanges[] {
  const isNeeded = gradientsNeeded(graph);
  const sharesSums = ({ path }: LayerOperation): boolean =>
    reductions.has(reductionName(path, 'sums'));
  const firstOf = new Map(
    layersSideBySide(graph)
      .filter((pair) => pair.every(sharesSums))
      .map(([first, second]) => [second, first]),
  );
  const exchanges = new Map<string, ExchangedRanges[]>();
  for (const { operation, declared } of reductionsOf(graph)) {
    const { between } = reductions.get(reductionName(operation.path, declared.name))!;
    if (between === undefined) continue;
    // A norm layer has one reduction in each pass. Norms within other layers, such as recurrent
    // ones, each exchange separately.
    const isOfPass = declared.name === declared.combine;
    if (isOfPass && declared.combine === 'sums' && !isNeeded[operation.input]) continue;
    const { path } = (isOfPass ? firstOf.get(operation) : undefined) ?? operation;
    const name = reductionName(path, declared.name);
    exchanges.set(name, [...(exchanges.get(name) ?? []), between]);
  }
  return [...exchanges.values()].map(joinRanges);
}

/** The bytes that an exchange sends from this process and receives. */
export function trafficOf({ sends, receives }: ExchangedRanges): {
  readonly sentBytes: number;
  readonly receivedBytes: number;
} {
  const headersBytes = (sends.length - 1) * HEADER_BYTES;
  return {
    sentBytes: headersBytes + bytesOf(sends.flat()),
    receivedBytes: headersBytes + bytesOf(receives.flat()),
  };
}

/** The most bytes that go from one process to another in any of the exchanges that take turns. */
export function largestExchange(plan: RunPlan): number {
  const vectors = [
    ...plan.reductions.values(),
    ...plan.populations.map(({ reduction }) => reduction),
  ];
  // Layers side by side exchange together.
  const together = vectors.map(({ between }) => (between === undefined ? 0 : 2 * sizeOf(between)));
  const others = [gradientsExchange(plan), plan.gradients.toAll, snapshotExchange(plan)];
  return HEADER_BYTES + Math.max(...together, ...others.map(sizeOf));
}

/** The same for each part of the gradients that is sent while backward runs. */
export function earlyExchanges({ gradients }: RunPlan): readonly number[] {
  return gradients.parts.slice(0, -1).map((part) => HEADER_BYTES + sizeOf(part.toFolding));
}

function sizeOf({ sends, receives }: ExchangedRanges): number {
  return Math.max(...[...sends, ...receives].map(bytesOf));
}

function bytesOf(ranges: readonly ArenaRange[]): number {
  return ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

const VOTE_BYTES = VOTE_STRIDE * WORD_BYTES;

/** Each process's part of data that has the same address in every arena. */
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
