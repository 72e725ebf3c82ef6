// What readers of pages need: headings in order, pictures with alternative text that fit a
// light and a dark page, lines that fit a screen, and an index that lists every page.

import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGES } from '../support/pages.ts';
import { filesBelow, textOf } from '../support/sources.ts';

const PICTURE = /!\[([^\]]*)\]\(([^)\s]+)\)/g;
/** A picture is seen by readers with slow lines, and is part of the package. */
const MAX_PICTURE_BYTES = 60_000;
/** A line of code scrolls beyond this on a page of 1280 pixels. */
const MAX_CODE_COLUMNS = 130;
/** Tables scroll, too; beyond this no screen shows a row. */
const MAX_ROW_COLUMNS = 260;

const pictures = PAGES.flatMap((page) =>
  [...textOf(page).matchAll(PICTURE)].map(([, text, target]) => ({
    page,
    text: text!,
    file: normalize(join(dirname(page), target!)),
  })),
);

/** The text of a page without blocks of code, and the lines of these. */
function partsOf(page: string): { readonly prose: string; readonly code: readonly string[] } {
  const code: string[] = [];
  const prose = textOf(page).replace(/^```.*?\n(.*?)^```/gms, (_, block: string) => {
    code.push(...block.split('\n'));
    return '';
  });
  return { prose, code };
}

describe.each(PAGES)('%s', (page) => {
  const { prose, code } = partsOf(page);

  it('begins with its only title, and skips no level of headings', () => {
    const levels = [...prose.matchAll(/^(#+) /gm)].map(([, marks]) => marks!.length);
    expect(prose.startsWith('# ')).toBe(true);
    expect(levels.filter((level) => level === 1)).toEqual([1]);
    const jumps = levels.filter((level, i) => i > 0 && level > levels[i - 1]! + 1);
    expect(jumps).toEqual([]);
  });

  it('has lines of code and rows of tables that fit on a screen', () => {
    expect(code.filter((line) => line.length > MAX_CODE_COLUMNS)).toEqual([]);
    const rows = prose.split('\n').filter((line) => line.startsWith('|'));
    expect(rows.filter((row) => row.length > MAX_ROW_COLUMNS)).toEqual([]);
  });
});

describe('pictures', () => {
  it('have an alternative text that is more than a name', () => {
    const bare = pictures.filter(({ text }) => text.split(' ').length < 4);
    expect(bare).toEqual([]);
  });

  it('are all shown somewhere', () => {
    const files = filesBelow('docs').filter((file) => !file.endsWith('.md'));
    expect([...new Set(pictures.map(({ file }) => file))].sort()).toEqual(files.sort());
  });

  it.each([...new Set(pictures.map(({ file }) => file))])(
    '%s is small, has a description, and is readable in dark mode',
    (file) => {
      const svg = textOf(file);
      expect(svg.length).toBeLessThan(MAX_PICTURE_BYTES);
      expect(svg).toMatch(/<svg [^>]*role="img"[^>]*>\s*<title>[^<]+<\/title><desc>[^<]+<\/desc>/);
      expect(svg).toContain('prefers-color-scheme:dark');
    },
  );
});

describe('the pages of experiments', () => {
  const pages = PAGES.filter((page) => /^docs\/experiments\/(?!README)/.test(page));

  it.each(pages)(
    '%s starts with its verdict, then shows a picture, and has the common headings',
    (page) => {
      const [, verdict, picture, command] = textOf(page).split('\n\n');
      expect(verdict).toMatch(/^\*\*Verdict\.\*\* /);
      expect(picture).toMatch(/^!\[[^\]]+\]\(\.\.\/images\/[\w-]+\.svg\)$/);
      expect(command).toMatch(/^```sh\nnpx syncbn experiment /);
      const headings = [...textOf(page).matchAll(/^## (.*)$/gm)].map(([, heading]) => heading!);
      const order = ['Results', 'What that says', 'Claims', 'Method', 'How to read it'];
      expect(headings.filter((heading) => order.includes(heading))).toEqual(
        order.filter((heading) => headings.includes(heading)),
      );
      expect(headings).toEqual(expect.arrayContaining(['Results', 'Claims', 'Method']));
    },
  );
});

describe('the index', () => {
  it('lists every page of docs', () => {
    const linked = ['docs', 'docs/experiments'].flatMap((folder) =>
      [...textOf(`${folder}/README.md`).matchAll(/\]\(([^)#\s]+)/g)].map(([, target]) =>
        normalize(join(folder, target!)),
      ),
    );
    const pages = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
    expect(pages.filter((page) => !linked.includes(page))).toEqual([]);
  });
});
