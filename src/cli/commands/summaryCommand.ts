// `syncbn summary`: a model layer by layer, and what a step of it takes. Runs nothing.

import { showShape } from '../../base/shape.ts';
import { MAX_ARENA_BYTES, showBytes } from '../../memory/layout.ts';
import { screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { askedModel } from '../settings/askedModel.ts';
import type { Flags } from '../settings/flags.ts';
import { type LayerSummary, type ModelSummary, summarize } from './modelSummary.ts';

/** The borders of a table with five columns, and the separators of their cells. */
const FRAME = 16;
/** A layer's path is not cut to less. */
const MIN_PATH = 16;
const GAP = '...';

export async function runSummary(flags: Flags, argument: string | undefined): Promise<number> {
  const summary = summarize(await askedModel('summary', flags, argument));
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'summary', ...summary });
    return 0;
  }
  printTable(layerRows(summary.layers, screen.columns));
  printTable(totalRows(summary).map(([total, value]) => ({ total, value })));
  return 0;
}

function layerRows(
  layers: readonly LayerSummary[],
  columns: number,
): readonly Readonly<Record<string, string>>[] {
  const rows = layers.map((layer) => ({
    output: showShape(layer.outputShape),
    parameters: layer.parameters === 0 ? '' : `${layer.parameters}`,
    'mult-adds': layer.multiplyAdds === 0 ? '' : showCount(layer.multiplyAdds),
    norm: layer.normChannels === 0 ? '' : `${layer.normChannels} ch`,
  }));
  const widthOf = (name: keyof (typeof rows)[number]): number =>
    Math.max(name.length, ...rows.map((row) => row[name].length));
  const others = (['output', 'parameters', 'mult-adds', 'norm'] as const).map(widthOf);
  const room = columns - FRAME - others.reduce((sum, width) => sum + width, 0);
  return rows.map((row, i) => ({ layer: labelOf(layers[i]!, Math.max(room, MIN_PATH)), ...row }));
}

/** A layer's path, with its kind unless the last name contains it, in this many columns. */
function labelOf({ path, kind }: LayerSummary, width: number): string {
  const isSaid = path === kind || path.endsWith(`.${kind}`);
  const end = isSaid ? '' : ` ${kind}`;
  return `${cutMiddle(path, Math.max(width - end.length, MIN_PATH))}${end}`;
}

/** Cuts the middle of a path that is too long: the names at its end distinguish layers. */
function cutMiddle(path: string, width: number): string {
  if (path.length <= width) return path;
  const [first, ...names] = path.split('.');
  for (let i = 1; i < names.length; i++) {
    const short = `${first}${GAP}${names.slice(i).join('.')}`;
    if (short.length <= width) return short;
  }
  return `${GAP}${path.slice(path.length - width + GAP.length)}`;
}

function totalRows(summary: ModelSummary): readonly (readonly [string, string])[] {
  const { parameters, memoryBytes: memory, exchanges, replicas, batch } = summary;
  const part = (bytes: number): string =>
    `${showBytes(bytes)}, ${Math.round((100 * bytes) / memory.total)} %`;
  const tooLarge = memory.fits ? '' : `; a run has at most ${showBytes(MAX_ARENA_BYTES)}`;
  const { fitting } = memory;
  return [
    ['input, output', `${showShape(summary.inputShape)}, ${showShape(summary.outputShape)}`],
    ['parameters trained', `${parameters.trained}`],
    ['parameters frozen', `${parameters.frozen}`],
    ['buffers', `${summary.buffers}`],
    ['norms', `${summary.normLayers}, ${summary.normChannels} channels`],
    ['multiply-adds', `${showCount(summary.multiplyAdds)} per sample, forward`],
    ['FLOP', `${showCount(summary.flopsForward)} forward, ${backwardText(summary)}`],
    [`memory, batch ${batch}`, `${showBytes(memory.total)} on 1 worker${tooLarge}`],
    ...(fitting === null
      ? []
      : ([
          [
            `  --micro-batches ${fitting.microBatches}`,
            `${showBytes(fitting.arenaBytes)}, ${showBytes(fitting.parkedBytes)} beside it`,
          ],
        ] as const)),
    ['  activations', part(memory.activations)],
    ['    kept for backward', part(memory.keptForBackward)],
    ['    derived instead', `${showBytes(memory.derivedInBackward)}, not stored`],
    ['  parameters, buffers', part(memory.parametersAndBuffers)],
    ['  gradients', part(memory.gradients)],
    ['  optimizer state', part(memory.optimizerState)],
    ['  workspace and rest', part(memory.rest)],
    [`exchanges, ${replicas} workers`, exchangesText(summary)],
    ...(replicas === 1
      ? []
      : ([
          ['  of statistics', `${exchanges.statistics}, ${showBytes(exchanges.statisticsBytes)}`],
          ['  of gradients', `${exchanges.gradients}, ${showBytes(exchanges.gradientsBytes)}`],
        ] as const)),
  ];
}

/** With frozen parameters, backward skips what no gradient needs. */
function backwardText({ parameters, flopsForwardBackward }: ModelSummary): string {
  const least = parameters.frozen > 0 ? 'at most ' : '';
  return `${least}${showCount(flopsForwardBackward)} with backward`;
}

function exchangesText({ replicas, exchanges }: ModelSummary): string {
  if (replicas === 1) return 'none';
  return `${exchanges.statistics + exchanges.gradients} per step, each worker a process`;
}

/** A number for display: `41.6 M`. */
function showCount(count: number): string {
  for (const [unit, size] of [
    ['T', 1e12],
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (count >= size) return `${(count / size).toPrecision(count < 1000 * size ? 3 : 4)} ${unit}`;
  }
  return `${count}`;
}
