import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { type LinePlot, linePlot } from '../../src/report/plot.ts';

const PLOT: LinePlot = {
  title: 'Error <by> batch',
  xLabel: 'batch',
  yLabel: 'error, %',
  series: [
    { name: 'a & b', points: [1, 2, 3].map((x) => ({ x, y: x * x, low: x, high: x * x + 1 })) },
    { name: 'c', points: [1, 2, 3].map((x) => ({ x, y: 5 })), style: 'dashed' },
  ],
};

function parse(svg: string): Element {
  const { document } = parseHTML(`<!doctype html><html><body>${svg}</body></html>`);
  return document.querySelector('svg')!;
}

/** Where the dots are, in pixels. */
function dotsOf(svg: Element): { readonly x: number; readonly y: number }[] {
  return Array.from(svg.querySelectorAll('[aria-label="dot"] path')).map((dot) => {
    const [, x, y] = /translate\(([-\d.]+),([-\d.]+)\)/.exec(dot.getAttribute('transform')!)!;
    return { x: Number(x), y: Number(y) };
  });
}

describe('linePlot', () => {
  it('names itself, its axes and its lines, with markup escaped', () => {
    const svg = parse(linePlot(PLOT));
    expect(svg.querySelector('title')!.textContent).toBe('Error <by> batch');
    expect(svg.querySelector('desc')!.textContent).toBe('error, % by batch: a & b, c');
    expect(linePlot(PLOT)).not.toContain('<by>');
    for (const text of ['batch', 'error, %', 'a & b', 'c']) expect(svg.textContent).toContain(text);
  });

  it('breaks a title that is wider than the plot into rows, and makes room for them', () => {
    const title = 'Test error on images with another contrast and brightness: fashion-mnist';
    const svg = parse(linePlot({ ...PLOT, title }));
    const rows = Array.from(svg.querySelectorAll('[font-weight="600"]'));
    expect(rows.map(({ textContent }) => textContent)).toEqual([
      'Test error on images with another contrast',
      'and brightness: fashion-mnist',
    ]);
    const taller =
      Number(svg.getAttribute('height')) - Number(parse(linePlot(PLOT)).getAttribute('height'));
    expect(taller).toBeGreaterThan(0);
  });

  it('has a line for each series, the dashed one dashed, and a bar for each interval', () => {
    const svg = parse(linePlot(PLOT));
    const lines = Array.from(svg.querySelectorAll('[aria-label="line"]'));
    expect(lines).toHaveLength(2);
    expect(lines.map((line) => line.getAttribute('stroke-dasharray'))).toEqual([null, '6 4']);
    expect(svg.querySelectorAll('[aria-label="rule"] line')).toHaveLength(3);
  });

  it('puts larger values higher, at equal distances for equal steps', () => {
    const dots = dotsOf(parse(linePlot({ ...PLOT, series: PLOT.series.slice(0, 1) })));
    expect(dots[1]!.x - dots[0]!.x).toBeCloseTo(dots[2]!.x - dots[1]!.x, 6);
    expect((dots[0]!.y - dots[2]!.y) / (dots[0]!.y - dots[1]!.y)).toBeCloseTo(8 / 3, 6);
  });

  it('sets categories side by side in the given order', () => {
    const points = [32, 16, 2].map((x) => ({ x, y: 1 }));
    const dots = dotsOf(
      parse(linePlot({ ...PLOT, xScale: 'category', series: [{ name: 'a', points }] })),
    );
    expect(dots[1]!.x - dots[0]!.x).toBeCloseTo(dots[2]!.x - dots[1]!.x, 6);
    expect(dots[0]!.x).toBeLessThan(dots[2]!.x);
  });

  it('shows doublings and powers of ten at equal distances on logarithmic axes', () => {
    const points = [1, 2, 4].map((x) => ({ x, y: 10 ** x }));
    const series = [{ name: 'a', points: points.slice(0, 3) }];
    const dots = dotsOf(parse(linePlot({ ...PLOT, xScale: 'log', yScale: 'log', series })));
    expect(dots[1]!.x - dots[0]!.x).toBeCloseTo(dots[2]!.x - dots[1]!.x, 6);
    expect((dots[1]!.y - dots[2]!.y) / (dots[0]!.y - dots[1]!.y)).toBeCloseTo(2, 6);
  });

  it('leaves out values that no axis can show', () => {
    const points = [
      { x: 1, y: Number.NaN },
      { x: 2, y: 3 },
      { x: Number.POSITIVE_INFINITY, y: 3 },
      { x: 3, y: -1 },
      { x: 4, y: 5, low: -1, high: 6 },
    ];
    const svg = linePlot({ ...PLOT, yScale: 'log', series: [{ name: 'a', points }] });
    expect(dotsOf(parse(svg))).toHaveLength(2);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('draws one value, and none', () => {
    const one = linePlot({ ...PLOT, series: [{ name: 'a', points: [{ x: 1, y: 0 }] }] });
    expect(dotsOf(parse(one))).toHaveLength(1);
    const none = linePlot({ ...PLOT, series: [] });
    expect(none).toMatch(/^<svg/);
    expect(`${one}${none}`).not.toMatch(/NaN|Infinity/);
  });

  it('draws lines of many points without dots', () => {
    const points = Array.from({ length: 1000 }, (_, x) => ({ x, y: Math.sin(x / 50) }));
    const svg = parse(linePlot({ ...PLOT, series: [{ name: 'a', points }] }));
    expect(dotsOf(svg)).toHaveLength(0);
    expect(svg.querySelectorAll('[aria-label="line"] path')).toHaveLength(1);
  });
});
