// A line plot as SVG text, drawn by Observable Plot into a document from linkedom. Readable on
// white and on black: lines differ by color, symbol and optionally dashes, and axes use the color
// of the surrounding text.

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeText } from './escape.ts';

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** Ends of an interval, drawn as a bar. */
  readonly low?: number;
  readonly high?: number;
}

export interface PlotSeries {
  readonly name: string;
  readonly points: readonly PlotPoint[];
  readonly style?: 'solid' | 'dashed';
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** `category` places values at equal distances, in order of first use. */
  readonly xScale?: 'linear' | 'log' | 'category';
  readonly yScale?: 'linear' | 'log';
  readonly series: readonly PlotSeries[];
}

/** A point with its series. */
interface SeriesPoint extends PlotPoint {
  readonly name: string;
}

/** Narrow, so that letters are still read where a phone shrinks the plot to its width. */
const WIDTH = 440;
const HEIGHT = 330;
/** How much larger a plot is shown where there is room. */
const SCALE = 1.25;
const FONT_SIZE = 13;
const LEFT = 16;
const TITLE_ROW = 18;
/** Where the legend is below one row of title. */
const LEGEND_TOP = 34;
const LEGEND_ROW = 20;
/** Space between legend and axis, for the name of the y axis. */
const LABEL_HEIGHT = 32;
/** Estimated width of a letter, in pixels, since there is no layout here. */
const LETTER_WIDTH = 7.4;
const TITLE_LETTER_WIDTH = 9.2;
const SAMPLE_WIDTH = 34;
/** Okabe and Ito (2008), distinguishable with any color vision. Colors that are hard to see on
 * white or black are darkened or lightened. */
const COLORS = [
  '#1f83c4',
  '#d9691a',
  '#16a077',
  '#c46aa3',
  '#a5861b',
  '#8076d8',
  '#d1495b',
  '#7d8790',
] as const;
const DASH = '6 4';
/** Dots help to see few points, but hide many. */
const MOST_DOTS = 40;
/** A linear axis includes zero if the minimum is below this fraction of the maximum. */
const NEAR_ZERO = 0.5;
const STYLE =
  `.lineplot{color:#1d2329;background:transparent;font:${FONT_SIZE}px system-ui,sans-serif;` +
  'max-width:100%;height:auto}.lineplot text{white-space:pre}' +
  '@media(prefers-color-scheme:dark){.lineplot{color:#dfe3e8}}';

/** The plot as `<svg>` text. Points without finite coordinates, or that a logarithmic axis cannot
 * show, are left out. */
export function linePlot(plot: LinePlot): string {
  const { xLabel, xScale = 'linear', yScale = 'linear' } = plot;
  const series = plot.series.map((line) => ({
    ...line,
    points: line.points.filter((point) => isShown(point, plot)),
  }));
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  // A single line is named by the axis.
  const legend = series.length > 1 ? legendRows(series) : [];
  const points = series.flatMap(({ name, points }) => points.map((point) => ({ ...point, name })));
  const aboveAxis = (titleRows(plot.title).length - 1) * TITLE_ROW + legend.length * LEGEND_ROW;
  const svg = Plot.plot({
    document,
    width: WIDTH,
    height: HEIGHT + aboveAxis,
    marginTop: LEGEND_TOP + aboveAxis + LABEL_HEIGHT,
    marginLeft: 60,
    marginRight: 30,
    marginBottom: 44,
    x: { label: xLabel, ...xAxis(xScale, points) },
    y: { label: null, grid: true, nice: true, ...yAxis(yScale, points) },
    color: { domain: series.map(({ name }) => name), range: colorsOf(series.length) },
    symbol: { domain: series.map(({ name }) => name) },
    marks: marksOf(series, points, yScale),
  });
  return frame(plot, legend, svg);
}

function isShown({ x, y }: PlotPoint, { xScale, yScale }: LinePlot): boolean {
  const fits = (value: number, scale: LinePlot['xScale']): boolean =>
    Number.isFinite(value) && (scale !== 'log' || value > 0);
  return fits(x, xScale) && fits(y, yScale);
}

function xAxis(scale: LinePlot['xScale'], points: readonly SeriesPoint[]): Plot.ScaleOptions {
  const values = [...new Set(points.map(({ x }) => x))];
  if (scale === 'category') return { type: 'point', domain: values, tickFormat: showTick };
  if (scale !== 'log') return { type: 'linear', tickFormat: showTick };
  // Values that double get their own ticks, since batches and devices are often powers of two.
  const areDoubled =
    values.length > 1 && values.every((value) => Number.isInteger(Math.log2(value)));
  const ticks = values.toSorted((a, b) => a - b);
  return { type: 'log', ...(areDoubled && { ticks, base: 2 }), tickFormat: showTick };
}

function yAxis(scale: LinePlot['yScale'], points: readonly SeriesPoint[]): Plot.ScaleOptions {
  if (points.length === 0) return { type: 'linear', domain: [0, 1] };
  const isLog = scale === 'log';
  const ends = points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]);
  const fit = ends.filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  const least = fit.reduce((a, b) => Math.min(a, b));
  const most = fit.reduce((a, b) => Math.max(a, b));
  if (isLog) return { type: 'log', domain: apart(least, most), tickFormat: showTick, ticks: 6 };
  const isNearZero = least >= 0 && least < NEAR_ZERO * most;
  return { type: 'linear', domain: apart(isNearZero ? 0 : least, most), tickFormat: showTick };
}

/** Ends of an axis; a single value gets some space around it. */
function apart(least: number, most: number): [number, number] {
  if (most > least) return [least, most];
  return least === 0 ? [0, 1] : [Math.min(least / 2, least * 2), Math.max(least / 2, least * 2)];
}

function showTick(value: number): string {
  return Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential().replace('e+', 'e')
    : `${Number(value.toPrecision(6))}`;
}

function colorsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => COLORS[index % COLORS.length]!);
}

function marksOf(
  series: readonly PlotSeries[],
  points: readonly SeriesPoint[],
  yScale: 'linear' | 'log',
): Plot.Markish[] {
  const bars = points.flatMap((point) => {
    const { low, high } = point;
    if (low === undefined || high === undefined) return [];
    if (!Number.isFinite(low) || !Number.isFinite(high)) return [];
    if (yScale === 'linear') return [{ ...point, low, high }];
    // If a logarithmic axis cannot show the lower end, the bar ends at its point.
    return high > 0 ? [{ ...point, low: low > 0 ? low : point.y, high }] : [];
  });
  const lines = series.map(({ name, points, style }) =>
    Plot.line(points, {
      x: 'x',
      y: 'y',
      stroke: () => name,
      strokeWidth: 2,
      ...(style === 'dashed' && { strokeDasharray: DASH }),
    }),
  );
  const dots = series.filter(({ points }) => points.length <= MOST_DOTS);
  return [
    Plot.ruleX(bars, { x: 'x', y1: 'low', y2: 'high', stroke: 'name', strokeWidth: 1.5 }),
    ...lines,
    ...dots.map(({ name, points }) =>
      Plot.dot(points, { x: 'x', y: 'y', fill: () => name, symbol: () => name, r: 4 }),
    ),
  ];
}

interface LegendEntry {
  readonly name: string;
  readonly color: string;
  readonly isDashed: boolean;
  readonly x: number;
}

/** The names side by side, in as many rows as they need. */
function legendRows(series: readonly PlotSeries[]): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let x = WIDTH;
  series.forEach(({ name, style }, index) => {
    const width = SAMPLE_WIDTH + name.length * LETTER_WIDTH + 18;
    if (x + width > WIDTH) {
      rows.push([]);
      x = LEFT;
    }
    const color = COLORS[index % COLORS.length]!;
    rows[rows.length - 1]!.push({ name, color, isDashed: style === 'dashed', x });
    x += width;
  });
  return rows;
}

/** Adds title, legend and an accessible description to Plot's output. */
function frame(
  { title, xLabel, yLabel, series }: LinePlot,
  legend: readonly LegendEntry[][],
  svg: Element,
): string {
  const names = series.map(({ name }) => name);
  const description = `${yLabel} by ${xLabel}${names.length === 0 ? '' : `: ${names.join(', ')}`}`;
  return framed({ title, description, yLabel }, svg, legend);
}

export interface PlotTexts {
  readonly title: string;
  readonly description: string;
  readonly yLabel: string;
  /** CSS in addition to that of all plots. */
  readonly style?: string;
}

/** Adds title, description and the name of the y axis to Plot's output, with the rows of the legend
 * between title and axis. */
export function framed(
  texts: PlotTexts,
  svg: Element,
  legend: readonly LegendEntry[][] = [],
): string {
  svg.querySelector('style')?.remove();
  const [width, height] = ['width', 'height'].map((name) => Number(svg.getAttribute(name)));
  const title = titleRows(texts.title);
  const top = LEGEND_TOP + (title.length - 1) * TITLE_ROW;
  const entries = legend.flatMap((row, index) =>
    row.map((entry) => legendEntry(entry, top + index * LEGEND_ROW + 6)),
  );
  const labelY = top + legend.length * LEGEND_ROW + 14;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" class="lineplot" fill="currentColor" ` +
      `width="${width! * SCALE}" height="${height! * SCALE}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escapeText(texts.title)}</title><desc>${escapeText(texts.description)}</desc>`,
    `<style>${STYLE}${texts.style ?? ''}</style>`,
    ...title.map(
      (row, i) =>
        `<text x="${LEFT}" y="${20 + i * TITLE_ROW}" font-size="14" font-weight="600">` +
        `${escapeText(row)}</text>`,
    ),
    ...entries,
    `<text x="${LEFT}" y="${labelY}" opacity="0.75">${escapeText(texts.yLabel)}</text>`,
    `<g font-size="${FONT_SIZE}" text-anchor="middle">${svg.innerHTML}</g>`,
    '</svg>',
  ].join('\n');
}

/** The words of a title in rows that fit. */
function titleRows(title: string): readonly string[] {
  const most = Math.floor((WIDTH - 2 * LEFT) / TITLE_LETTER_WIDTH);
  const rows: string[] = [];
  for (const word of title.split(' ')) {
    const longer = `${rows.at(-1)} ${word}`;
    if (rows.length > 0 && longer.length <= most) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows;
}

function legendEntry({ name, color, isDashed, x }: LegendEntry, y: number): string {
  const dash = isDashed ? ` stroke-dasharray="${DASH}"` : '';
  const line = `<line x1="${x}" x2="${x + SAMPLE_WIDTH - 8}" y1="${y}" y2="${y}" stroke="${color}"`;
  const text = `<text x="${x + SAMPLE_WIDTH}" y="${y + 4}">${escapeText(name)}</text>`;
  return `${line} stroke-width="2.5"${dash}/>${text}`;
}
