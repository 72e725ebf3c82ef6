import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { type Block, renderPage } from '../../src/report/page.ts';

function pageWith(...blocks: readonly Block[]): Document {
  const sections = [{ heading: 'A <b>', blocks }];
  return parseHTML(renderPage({ title: 'T & t', lead: 'l < m', sections })).document;
}

describe('renderPage', () => {
  it('escapes all text', () => {
    const evil = '<script>alert("x")</script>';
    const html = renderPage({
      title: evil,
      lead: evil,
      sections: [
        {
          heading: evil,
          blocks: [
            { kind: 'text', text: evil },
            { kind: 'command', text: evil },
            { kind: 'table', columns: [evil], rows: [[evil]], caption: evil },
            { kind: 'verdict', verdict: 'refuted', claim: evil, evidence: evil },
            { kind: 'figures', figures: [{ name: evil, value: evil }] },
            { kind: 'plot', svg: '<svg></svg>', caption: evil },
          ],
        },
      ],
    });
    expect(html).not.toContain('<script');
    expect(html.match(/&lt;script&gt;/g)).toHaveLength(14);
  });

  it('does not break the flags of a command at hyphens', () => {
    const lead = 'syncbn train --lr-scaling linear --report a--b.html has trained.';
    const html = renderPage({ title: 't', lead, sections: [] });
    const flags = [...html.matchAll(/<span class="flag">(.*?)<\/span>/g)].map(([, flag]) => flag);
    expect(flags).toEqual(['--lr-scaling', '--report']);
    expect(parseHTML(html).document.querySelector('header p')!.textContent).toBe(lead);
  });

  it('refers to nothing outside itself', () => {
    const html = renderPage({ title: 't', lead: 'l', sections: [] });
    expect(html).not.toMatch(/https?:|\bsrc=|@import|url\(/);
  });

  it('shows verdicts with their badge, and figures', () => {
    const document = pageWith(
      { kind: 'verdict', verdict: 'confirmed', claim: 'it holds', evidence: '1 of 1' },
      { kind: 'figures', figures: [{ name: 'loss', value: '0.5' }] },
    );
    expect(document.querySelector('.verdict.confirmed .badge')!.textContent).toBe('confirmed');
    expect(document.querySelector('.verdict')!.textContent).toContain('1 of 1');
    expect(document.querySelector('dl dt')!.textContent).toBe('loss');
    expect(document.querySelector('dl dd')!.textContent).toBe('0.5');
  });

  it('aligns columns of numbers to the right, others to the left', () => {
    const rows = [
      ['0.conv2d', 1, '2.5 %', '-'],
      ['a', 2, 'not finite', '-'],
      ['b', 20, 'x 3', '1 +- 2'],
    ];
    const columns = ['name', 'count', 'share', 'interval'];
    const document = pageWith({ kind: 'table', columns, rows });
    const cells = Array.from(document.querySelectorAll('tbody tr:first-child td'));
    const isNumber = cells.map((cell) => cell.getAttribute('class') === 'number');
    expect(isNumber).toEqual([false, true, true, true]);
  });

  it('contains a script only if it is given one', () => {
    expect(pageWith().querySelector('script')).toBeNull();
    const html = renderPage({ title: 't', lead: 'l', sections: [], script: 'let a = 1;' });
    expect(html).toContain('<script>let a = 1;</script>');
  });
});
