import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { matrixPlot } from '../../src/report/matrixPlot.ts';

function parse(svg: string): Element {
  return parseHTML(`<!doctype html><html><body>${svg}</body></html>`).document.querySelector(
    'svg',
  )!;
}

describe('matrixPlot', () => {
  it('shades each square by its share of the true class, and writes counts that are not 0', () => {
    const svg = parse(
      matrixPlot('Classes & <errors>', [
        [3, 1],
        [0, 0],
      ]),
    );
    const squares = Array.from(svg.querySelectorAll('[aria-label="cell"] rect'));
    expect(squares.map((square) => square.getAttribute('fill-opacity'))).toEqual([
      '0.75',
      '0.25',
      '0',
      '0',
    ]);
    const counts = Array.from(svg.querySelectorAll('[aria-label="text"] text'));
    expect(counts.map((text) => text.textContent)).toEqual(['3', '1']);
    expect(svg.querySelector('title')!.textContent).toBe('Classes & <errors>');
    expect(svg.textContent).toContain('predicted class');
  });

  it('leaves out counts if squares are small', () => {
    const row = Array.from({ length: 40 }, () => 1);
    const svg = parse(
      matrixPlot(
        'Many',
        Array.from({ length: 40 }, () => row),
      ),
    );
    expect(svg.querySelectorAll('[aria-label="cell"] rect')).toHaveLength(1600);
    expect(svg.querySelectorAll('[aria-label="text"] text')).toHaveLength(0);
  });
});
