// Contrasts of the pages as WCAG 2.2 defines them, from the colors of the stylesheets in both
// schemes: at least 4.5 for text (1.4.3), 3 for lines of plots (1.4.11).

import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { matrixPlot } from '../../src/report/matrixPlot.ts';
import { linePlot } from '../../src/report/plot.ts';
import { PAGE_STYLE } from '../../src/report/style.ts';

type Color = readonly number[];
const SCHEMES = ['light', 'dark'] as const;
type Scheme = (typeof SCHEMES)[number];

/** What a stylesheet says of colors in a scheme: `--name` or `color` to their values. */
function colorsOf(css: string, scheme: Scheme): ReadonlyMap<string, string> {
  const dark = /@media ?\(prefers-color-scheme: ?dark\) ?{((?:[^{}]*{[^{}]*})*)\s*}/g;
  const said = css.replaceAll(dark, scheme === 'dark' ? '$1' : '');
  const found = said.matchAll(/(?<=[{;\s])(--[\w-]+|color): ?(#[0-9a-f]+)/g);
  return new Map(Array.from(found, ([, name, value]) => [name!, value!]));
}

function parse(hex: string): Color {
  const digits = hex.length === 4 ? hex.replace(/[0-9a-f]/g, '$&$&') : hex;
  return [1, 3, 5].map((at) => Number.parseInt(digits.slice(at, at + 2), 16));
}

function over(color: Color, back: Color, opacity: number): Color {
  return color.map((value, i) => opacity * value + (1 - opacity) * back[i]!);
}

function contrast(a: Color, b: Color): number {
  const luminance = (color: Color): number => {
    const [r, g, b] = color.map((byte) => {
      const value = byte / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** A plot on the page, and what its stylesheet says. */
function plotOf(svg: string, scheme: Scheme) {
  const root = parseHTML(`<html><body>${svg}</body></html>`).document.querySelector('svg')!;
  return { root, colors: colorsOf(root.querySelector('style')!.textContent!, scheme) };
}

describe.each(SCHEMES)('in the %s scheme', (scheme) => {
  const page = colorsOf(PAGE_STYLE, scheme);
  const back = parse(page.get('--back')!);

  it.each(['--text', '--soft', '--good', '--bad', '--open'])('%s is read on a page', (name) => {
    expect(contrast(parse(page.get(name)!), back)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['--text', '--soft'])('%s is read on a panel', (name) => {
    const panel = parse(page.get('--panel')!);
    expect(contrast(parse(page.get(name)!), panel)).toBeGreaterThanOrEqual(4.5);
  });

  it('a plot has lines that are seen and texts that are read', () => {
    const points = [1, 2].map((x) => ({ x, y: x }));
    const series = Array.from({ length: 8 }, (_, i) => ({ name: `${i}`, points }));
    const svg = linePlot({ title: 't', xLabel: 'x', yLabel: 'y', series });
    const { root, colors } = plotOf(svg, scheme);
    const lines = Array.from(root.querySelectorAll('[aria-label="line"] path'));
    expect(lines).toHaveLength(8);
    for (const line of lines) {
      expect(contrast(parse(line.getAttribute('stroke')!), back)).toBeGreaterThanOrEqual(3);
    }
    for (const text of Array.from(root.querySelectorAll('text'))) {
      const opacity = Number(text.getAttribute('opacity') ?? 1);
      const color = over(parse(colors.get('color')!), back, opacity);
      expect(contrast(color, back)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('counts of a confusion matrix are read on squares of any shade', () => {
    const percents = [50, 60, 70, 74, 76, 78, 79, 80, 81, 82, 83, 84, 86, 90, 95, 99];
    const rows = percents.map((percent, i) => {
      const row = percents.map(() => 0);
      row[i] = percent;
      row[(i + 1) % row.length] = 100 - percent;
      return row;
    });
    const { root, colors } = plotOf(matrixPlot('t', rows), scheme);
    const colorOf = (element: Element): Color => {
      const name = /^var\((.*)\)$/.exec(element.getAttribute('fill')!)?.[1];
      return parse(colors.get(name!)!);
    };
    const squares = root.querySelector('[aria-label="cell"]')!;
    const groups = Array.from(root.querySelectorAll('[aria-label="text"]'));
    const counts = groups.flatMap((group) =>
      Array.from(group.querySelectorAll('text'), (text) => ({ group, text: text.textContent! })),
    );
    expect(counts).toHaveLength(2 * percents.length);
    for (const { group, text } of counts) {
      const square = over(colorOf(squares), back, Number(text) / 100);
      expect(contrast(colorOf(group), square), text).toBeGreaterThanOrEqual(4.5);
    }
  });
});
