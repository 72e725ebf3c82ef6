// A confusion matrix as SVG text: a square for each pair of classes, darker for a larger fraction
// of the true class, with counts if they fit. Readable on white and on black, since shades are one
// color over the page's background.

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { ConfusionMatrix } from '../observe/metric.ts';
import { framed } from './plot.ts';

/** With more classes, counts do not fit into the squares. */
const MOST_COUNTED = 16;
/** With more classes, names would overlap. */
const MOST_NAMED = 25;
const SIZE = 480;
const TOP = 70;
const LEFT = 60;
const BOTTOM = 44;
const COLOR = '#1f83c4';
/** Above this fraction, the square is dark enough for white text. */
const DARK = 0.6;

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
  const every = Math.ceil(classes.length / MOST_NAMED);
  const ticks = classes.filter((label) => label % every === 0);
  const at = { x: 'predicted', y: 'label' };
  const counted = classes.length > MOST_COUNTED ? [] : squares.filter(({ count }) => count > 0);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({
    document,
    width: SIZE + LEFT,
    height: SIZE + TOP + BOTTOM,
    marginTop: TOP,
    marginLeft: LEFT,
    marginBottom: BOTTOM,
    marginRight: 0,
    padding: 0,
    x: { type: 'band', domain: classes, ticks, label: 'predicted class' },
    y: { type: 'band', domain: classes, ticks, label: null },
    marks: [
      Plot.cell(squares, { ...at, fill: COLOR, fillOpacity: 'share' }),
      Plot.text(counted, {
        ...at,
        text: ({ count }) => showCount(count),
        fill: ({ share }) => (share > DARK ? '#fff' : 'currentColor'),
      }),
      Plot.frame({ strokeOpacity: 0.3 }),
    ],
    opacity: { type: 'identity' },
  });
  return framed(
    { title, description: 'Counts by true and predicted class', yLabel: 'true class' },
    svg,
  );
}

/** Pixel counts have more digits than fit into a square. */
function showCount(count: number): string {
  if (count < 10_000) return `${count}`;
  return count < 1e7 ? `${Math.round(count / 1000)}k` : `${Math.round(count / 1e6)}M`;
}
