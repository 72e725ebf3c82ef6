// A confusion matrix as SVG text: a square for each pair of classes, stronger for a larger fraction
// of the true class, with counts if they fit. Shades are one color over the page's background; each
// color scheme has its own, and a text color for pale squares and one for strong ones.

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { ConfusionMatrix } from '../observe/metric.ts';
import { framed } from './plot.ts';

/** With more classes, counts do not fit into the squares. */
const MOST_COUNTED = 16;
/** With more classes, names would overlap. */
const MOST_NAMED = 16;
/** A square that a count fits into. */
const SQUARE = 36;
/** The least size for few classes, whose title needs room, and the size without counts. */
const LEAST_SIZE = 240;
const PLAIN_SIZE = 360;
const TOP = 70;
const LEFT = 60;
const BOTTOM = 44;
const RIGHT = 8;
/** Above this fraction, a square needs the other text color, in both schemes. */
const STRONG = 0.805;
const STYLE =
  '.lineplot{--square:#125b91;--on-pale:#000;--on-strong:#fff}' +
  '@media(prefers-color-scheme:dark){' +
  '.lineplot{--square:#3d93d6;--on-pale:#fff;--on-strong:#000}}';

/** The matrix as `<svg>` text: true classes from top to bottom, predicted ones from left to
 * right. */
export function matrixPlot(title: string, matrix: ConfusionMatrix): string {
  const squares = matrix.flatMap((row, label) => {
    const support = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => ({
      label,
      predicted,
      count,
      share: support === 0 ? 0 : count / support,
    }));
  });
  const classes = [...matrix.keys()];
  const isCounted = classes.length <= MOST_COUNTED;
  const size = isCounted ? Math.max(LEAST_SIZE, SQUARE * classes.length) : PLAIN_SIZE;
  const every = Math.ceil(classes.length / MOST_NAMED);
  const ticks = classes.filter((label) => label % every === 0);
  const at = { x: 'predicted', y: 'label' };
  const counted = isCounted ? squares.filter(({ count }) => count > 0) : [];
  const countsOn = (fill: string, isOn: (share: number) => boolean): Plot.Markish => {
    const shown = counted.filter(({ share }) => isOn(share));
    return Plot.text(shown, { ...at, text: ({ count }) => showCount(count), fill });
  };
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({
    document,
    width: size + LEFT + RIGHT,
    height: size + TOP + BOTTOM,
    marginTop: TOP,
    marginLeft: LEFT,
    marginBottom: BOTTOM,
    marginRight: RIGHT,
    padding: 0,
    x: { type: 'band', domain: classes, ticks, label: 'predicted class' },
    y: { type: 'band', domain: classes, ticks, label: null },
    marks: [
      Plot.cell(squares, { ...at, fill: 'var(--square)', fillOpacity: 'share' }),
      countsOn('var(--on-pale)', (share) => share <= STRONG),
      countsOn('var(--on-strong)', (share) => share > STRONG),
      Plot.frame({ strokeOpacity: 0.3 }),
    ],
    opacity: { type: 'identity' },
  });
  const description = 'Counts by true and predicted class';
  return framed({ title, description, yLabel: 'true class', style: STYLE }, svg);
}

/** Pixel counts have more digits than fit into a square. */
function showCount(count: number): string {
  if (count < 10_000) return `${count}`;
  return count < 1e7 ? `${Math.round(count / 1000)}k` : `${Math.round(count / 1e6)}M`;
}
