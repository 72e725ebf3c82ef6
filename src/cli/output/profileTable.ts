// A profile on the terminal: one table by phase, one by layer, and a comparison of the workers.
// Work and waiting are separate everywhere; the busiest worker is the one that the others wait for.

import type { ProfileLayer, ProfileTimes } from '../../observe/profileReport.ts';
import type { ProfileEvent } from './events.ts';

/** The fastest layers share one row; the JSON event has them all. */
const MAX_LAYERS = 24;

type TableRow = Readonly<Record<string, string>>;

/** The heading and the two tables. */
export function profileTables(profile: ProfileEvent): {
  readonly heading: string;
  readonly phases: readonly TableRow[];
  readonly layers: readonly TableRow[];
} {
  const { steps, stepMs, firstStepMs, phases, layers, workers } = profile;
  const over = workers.length === 1 ? '1 worker' : `${workers.length} workers`;
  const { rank, workMs } = workers.reduce((a, b) => (b.workMs > a.workMs ? b : a));
  const waitMs = workers.reduce((sum, worker) => sum + worker.waitMs, 0) / workers.length;
  const whole = {
    workMs: stepMs - waitMs,
    waitMs,
    share: 1,
    busiest: { rank, workMs },
  };
  return {
    heading: `where a step's time goes, in ms: ${showMs(stepMs)}, \
mean of ${steps} steps on ${over}
the first step ended ${Math.round(firstStepMs)} ms after the process began`,
    phases: [
      ...phases.map(({ phase, ...times }) => ({
        phase,
        work: showMs(times.workMs),
        ...commonCells(times),
      })),
      { phase: 'step', work: showMs(whole.workMs), ...commonCells(whole) },
    ],
    layers: layerRows(layers),
  };
}

/** The layers that take the most time, in model order. */
function layerRows(layers: readonly ProfileLayer[]): readonly TableRow[] {
  const ranked = [...layers].sort((a, b) => b.share - a.share);
  const shown = new Set(ranked.slice(0, layers.length > MAX_LAYERS ? MAX_LAYERS - 1 : MAX_LAYERS));
  const rows = layers.filter((layer) => shown.has(layer)).map(layerRow);
  const rest = layers.filter((layer) => !shown.has(layer));
  if (rest.length === 0) return rows;
  const sum = (part: (layer: ProfileLayer) => number): number =>
    rest.reduce((total, layer) => total + part(layer), 0);
  const others = {
    layer: `${rest.length} others`,
    forward: showMs(sum(({ forwardMs }) => forwardMs)),
    backward: showMs(sum(({ backwardMs }) => backwardMs)),
    waiting: showMs(sum(({ waitMs }) => waitMs)),
    share: showShare(sum(({ share }) => share)),
    'busiest worker': '-',
  };
  return [...rows, others];
}

function layerRow(layer: ProfileLayer): TableRow {
  return {
    layer: layer.path,
    forward: showMs(layer.forwardMs),
    backward: showMs(layer.backwardMs),
    ...commonCells(layer),
  };
}

function commonCells({ waitMs, share, busiest }: ProfileTimes): TableRow {
  return {
    waiting: showMs(waitMs),
    share: showShare(share),
    'busiest worker': `${showMs(busiest.workMs)} (rank ${busiest.rank})`,
  };
}

function showMs(ms: number): string {
  return ms.toFixed(3);
}

function showShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
