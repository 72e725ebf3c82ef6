// The tables of training speed in docs/speed.md and README.md, and the picture in the latter, made
// from the newest run in bench/results/train.jsonl, so that no figure is typed by hand. A test
// compares them.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InvariantError } from '../src/base/errors.ts';
import { linePlot } from '../src/report/plot.ts';
import type { Machine } from './machine.ts';
import type { TrainResult } from './train.ts';

/** A line of bench/results/train.jsonl. */
export interface SavedTrainResult extends TrainResult {
  readonly date: string;
  readonly machine: Machine;
}

const README = new URL('../README.md', import.meta.url);
const PAGE = new URL('../docs/speed.md', import.meta.url);
const PICTURE = new URL('../docs/images/speed.svg', import.meta.url);
const RESULTS = new URL('./results/train.jsonl', import.meta.url);
const BEGIN = '<!-- speed table: npm run bench -- readme -->\n';
const END = '<!-- end of the speed table -->';
const PEER_NAMES = {
  'torch-ddp': 'PyTorch DDP',
  convnetjs: 'convnetjs',
  'tfjs-cpu': 'TensorFlow.js (CPU)',
  processes: 'several processes',
} as const;
/** The split that the grid is measured with. */
const GRID = { replicas: 2, workers: 2 } as const;
/** For the grid's replica batches; a larger one is an extra setting. */
const MAX_GRID_SIZE = 32;
/** For the short table and the picture. */
const SHORT_NORMS = ['sync', 'local'] as const;
const SHORT_SIZES = [2, 8, 32];
const NORM_NAMES = { sync: 'SyncBN', local: 'local batch norm' } as const;
const DIGITS = 2;
const TORCH_CHOICE = ' Ratios are to the fastest PyTorch of each setting.';

/** Writes the tables and the picture, and returns their paths. */
export function writeSpeed(): readonly string[] {
  const run = newestRun(readFileSync(RESULTS, 'utf8'));
  for (const [page, table] of [
    [README, shortTable(run)],
    [PAGE, speedTable(run)],
  ] as const) {
    writeFileSync(page, withTable(readFileSync(page, 'utf8'), table));
  }
  writeFileSync(PICTURE, speedPicture(run));
  return [README, PAGE, PICTURE].map((file) => fileURLToPath(file));
}

/** A page with the table between its markers replaced. */
export function withTable(page: string, table: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new InvariantError('markers of the speed table', [begin, end], 'both, in this order');
  }
  return `${page.slice(0, begin + BEGIN.length)}\n${table}\n${page.slice(end)}`;
}

/** The lines of the run that was saved last. */
export function newestRun(jsonl: string): readonly SavedTrainResult[] {
  const lines = jsonl
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SavedTrainResult);
  const newest = lines
    .map(({ date }) => date)
    .sort()
    .at(-1);
  return lines.filter(({ date }) => date === newest);
}

/** The tables of one run in Markdown: when and where, the grid by replica batch, then all other
 * measurements. */
export function speedTable(run: readonly SavedTrainResult[]): string {
  const ours = run.filter(({ peer }) => peer === null);
  const grid = ours.filter(isInGrid);
  const extra = ours.filter((line) => !isInGrid(line));
  const tables = [whereLine(run), gridTable(grid, run)];
  if (extra.length > 0) tables.push(extraTable(extra, run));
  return tables.map((part) => `${part}\n`).join('\n');
}

/** How many times as fast as PyTorch DDP, for a few batch sizes, and what was compared. */
export function shortTable(run: readonly SavedTrainResult[]): string {
  const rows = SHORT_NORMS.flatMap((norm) =>
    netsOf(run).map((net) => {
      const cells = SHORT_SIZES.map((size) => {
        const ratio = gridRatio(run, { net, norm, size });
        return ratio === undefined ? '-' : `${showRatio(ratio)}x`;
      });
      return [`${net}, ${NORM_NAMES[norm]}`, ...cells];
    }),
  );
  const table = markdown([['per-replica batch size', ...SHORT_SIZES.map(String)], ...rows]);
  return `${table}\n\n${whereLine(run)}\n`;
}

/** The same for all batch sizes, as an SVG. */
export function speedPicture(run: readonly SavedTrainResult[]): string {
  const sizes = [...new Set(run.filter(isInGrid).map((line) => line.replicaBatch))];
  const series = SHORT_NORMS.flatMap((norm) =>
    netsOf(run).map((net) => ({
      name: `${net}, ${NORM_NAMES[norm]}`,
      points: sizes.flatMap((size) => {
        const ratio = gridRatio(run, { net, norm, size });
        return ratio === undefined ? [] : [{ x: size, y: ratio }];
      }),
      ...(norm === 'local' && { style: 'dashed' as const }),
    })),
  );
  const svg = linePlot({
    title: 'Training speed against PyTorch DDP on the same 2 cores',
    xLabel: 'per-replica batch size',
    yLabel: 'times as fast (1 is equal)',
    xScale: 'log',
    yScale: 'log',
    series,
  });
  return `${svg}\n`;
}

function netsOf(run: readonly SavedTrainResult[]): readonly string[] {
  return [...new Set(run.filter(isInGrid).map(({ net }) => net))];
}

/** How many times as fast as the fastest PyTorch a setting of the grid is. */
function gridRatio(
  run: readonly SavedTrainResult[],
  { net, norm, size }: { net: string; norm: string; size: number },
): number | undefined {
  const line = run.find(
    (one) =>
      one.peer === null &&
      isInGrid(one) &&
      one.net === net &&
      one.norm === norm &&
      one.replicaBatch === size,
  );
  return line && ratiosOf(line, run).get('torch-ddp');
}

function isInGrid({ replicas, workers, replicaBatch }: TrainResult): boolean {
  const isSplit = replicas === GRID.replicas && workers === GRID.workers;
  return isSplit && replicaBatch <= MAX_GRID_SIZE;
}

/** One row for each net and norm, one column for each replica batch. */
function gridTable(grid: readonly SavedTrainResult[], run: readonly SavedTrainResult[]): string {
  const sizes = [...new Set(grid.map((line) => line.replicaBatch))].sort((a, b) => a - b);
  const kinds = [...new Set(grid.map(({ net, norm }) => `${net}, ${norm}`))];
  const rows = kinds.flatMap((kind) => {
    const lines = sizes.map((size) =>
      grid.find((line) => `${line.net}, ${line.norm}` === kind && line.replicaBatch === size),
    );
    const speeds = lines.map((line) => (line === undefined ? '-' : whole(line.imagesPerSecond)));
    const ratios = lines.map((line) => {
      const ratio = line && ratiosOf(line, run).get('torch-ddp');
      return ratio === undefined ? '-' : `**${showRatio(ratio)}**`;
    });
    return [
      [`${kind}: images/s`, ...speeds],
      ...(ratios.every((ratio) => ratio === '-')
        ? []
        : [['times as fast as PyTorch DDP', ...ratios]]),
    ];
  });
  return markdown([['per-replica batch size', ...sizes.map(String)], ...rows]);
}

/** One row for each other setting. */
function extraTable(extra: readonly SavedTrainResult[], run: readonly SavedTrainResult[]): string {
  const rows = extra.map((line) => {
    const ratios = [...ratiosOf(line, run)].map(
      ([peer, ratio]) => `${PEER_NAMES[peer]} **${showRatio(ratio)}**`,
    );
    const threads = line.workers === 1 ? '1 worker' : `${line.workers} workers`;
    return [
      `${line.net}, ${line.norm}`,
      `${line.replicas} replicas of ${line.replicaBatch} on ${threads}`,
      whole(line.imagesPerSecond),
      ratios.join(', ') || '-',
    ];
  });
  return markdown([['net, norm', 'split', 'images/s', 'times as fast as'], ...rows]);
}

/** How many times as fast one of our lines is as each peer measured with it; of several PyTorch
 * builds, as the fastest. */
function ratiosOf(
  ours: SavedTrainResult,
  run: readonly SavedTrainResult[],
): ReadonlyMap<keyof typeof PEER_NAMES, number> {
  const ratios = new Map<keyof typeof PEER_NAMES, number>();
  const at = run.indexOf(ours);
  // The lines of a setting's peers are those up to our next line.
  for (const line of run.slice(at + 1)) {
    if (line.peer === null) break;
    if (ratios.has(line.peer) && line.isFastest !== true) continue;
    const ratio = line.ratio?.p50 ?? ours.imagesPerSecond / line.imagesPerSecond;
    ratios.set(line.peer, ratio);
  }
  return ratios;
}

function whereLine(run: readonly SavedTrainResult[]): string {
  const { date, machine } = run[0]!;
  const { cores, cpu, node, torch } = machine;
  const peer = torch === null ? '' : `, PyTorch ${torch}`;
  const choice = run.some(({ isFastest }) => isFastest) ? TORCH_CHOICE : '';
  return `${date.slice(0, 10)}, ${cores} cores of ${cpu}, Node ${node}${peer}.${choice}`;
}

/** Two digits, no exponent. */
function showRatio(ratio: number): string {
  return ratio >= 10 ** (DIGITS - 1) ? ratio.toFixed(0) : ratio.toPrecision(DIGITS);
}

function whole(value: number): string {
  return value.toFixed(0);
}

/** A table with columns as wide as their widest cell. */
function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [rows[0]!, rule, ...rows.slice(1)].map(line).join('\n');
}
