// A report as one self-contained HTML file that needs no network: sections of text, plots, tables,
// verdicts and commands. Text is escaped; plots are inserted unchanged. Fits a phone, and follows
// the reader's light or dark mode.

import { escapeText } from './escape.ts';
import { PAGE_STYLE } from './style.ts';

export type Verdict = 'confirmed' | 'refuted' | 'inconclusive';

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'plot'; readonly svg: string; readonly caption: string }
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly (string | number)[])[];
      readonly caption?: string;
    }
  | {
      readonly kind: 'pictures';
      readonly rows: readonly (readonly Picture[])[];
      readonly legend: readonly { readonly color: string; readonly name: string }[];
      readonly caption: string;
    }
  | {
      readonly kind: 'verdict';
      readonly verdict: Verdict;
      readonly claim: string;
      readonly evidence: string;
    }
  | { readonly kind: 'figures'; readonly figures: readonly Figure[] }
  | { readonly kind: 'command'; readonly text: string };

/** A low-resolution picture with pixels shown as squares. */
export interface Picture {
  /** A `data:` URL. */
  readonly address: string;
  readonly name: string;
  /** Alternative text. */
  readonly alt: string;
}

/** A number shown prominently. */
export interface Figure {
  readonly name: string;
  readonly value: string;
}

export interface Section {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

export interface Page {
  readonly title: string;
  readonly lead: string;
  readonly sections: readonly Section[];
  /** JavaScript for the page, inserted unchanged; default none. */
  readonly script?: string;
}

/** The page as HTML text. */
export function renderPage({ title, lead, sections, script }: Page): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    // An inline icon keeps browsers from requesting one from a server.
    '<link rel="icon" href="data:,">',
    `<title>${escapeText(title)}</title><style>${PAGE_STYLE}</style></head><body>`,
    `<header><h1>${escapeText(title)}</h1><p>${withFlags(lead)}</p></header>`,
    `<main>${renderSections(sections)}</main>`,
    ...(script === undefined ? [] : [`<script>${script}</script>`]),
    '</body></html>\n',
  ].join('\n');
}

/** Text with flags, such as `--epochs`, that do not break at their hyphens. */
function withFlags(text: string): string {
  return escapeText(text).replace(/(?<=^|\s)--[\w-]+/g, '<span class="flag">$&</span>');
}

/** The contents of the page's `<main>`. */
export function renderSections(sections: readonly Section[]): string {
  return sections.map(renderSection).join('\n');
}

function renderSection({ heading, blocks }: Section): string {
  const inside = blocks.map(renderBlock).join('\n');
  // Several plots are side by side if there is room.
  const countPlots = blocks.filter(({ kind }) => kind === 'plot').length;
  const open = countPlots > 1 ? '<section class="plots">' : '<section>';
  return `${open}<h2>${escapeText(heading)}</h2>\n${inside}</section>`;
}

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${escapeText(block.text)}</p>`;
    case 'plot':
      return `<figure>${block.svg}<figcaption>${escapeText(block.caption)}</figcaption></figure>`;
    case 'table':
      return renderTable(block);
    case 'pictures':
      return renderPictures(block);
    case 'verdict':
      return renderVerdict(block);
    case 'figures':
      return `<dl class="figures">${block.figures.map(renderFigure).join('')}</dl>`;
    case 'command':
      return `<pre tabindex="0"><code>${escapeText(block.text)}</code></pre>`;
  }
}

function renderFigure({ name, value }: Figure): string {
  return `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`;
}

function renderPictures(block: Extract<Block, { readonly kind: 'pictures' }>): string {
  const { rows, legend, caption } = block;
  const pictureOf = ({ address, name, alt }: Picture): string =>
    `<div><img src="${address}" alt="${escapeText(alt)}">${escapeText(name)}</div>`;
  const shown = rows.map((row) => `<div class="row">${row.map(pictureOf).join('')}</div>`);
  const colors = legend.map(
    ({ color, name }) => `<li><span style="background: ${color}"></span>${escapeText(name)}</li>`,
  );
  return (
    `<figure class="pictures"><div>${shown.join('\n')}</div>` +
    `<ul class="legend">${colors.join('')}</ul>` +
    `<figcaption>${escapeText(caption)}</figcaption></figure>`
  );
}

function renderVerdict(block: Extract<Block, { readonly kind: 'verdict' }>): string {
  const { verdict, claim, evidence } = block;
  const badge = `<span class="badge">${verdict}</span>`;
  const text = `<p class="claim">${badge} ${escapeText(claim)}</p>`;
  return `<div class="verdict ${verdict}">${text}<p>${escapeText(evidence)}</p></div>`;
}

function renderTable(table: Extract<Block, { readonly kind: 'table' }>): string {
  const { columns, rows, caption } = table;
  const isNumber = columns.map((_, column) => rows.every((row) => isNumeric(row[column])));
  const rowOf = (cells: readonly (string | number)[], tag: 'th' | 'td'): string => {
    const shown = cells.map((cell, column) => {
      const scope = tag === 'th' ? ' scope="col"' : '';
      const align = isNumber[column] === true ? ' class="number"' : '';
      return `<${tag}${scope}${align}>${escapeText(`${cell}`)}</${tag}>`;
    });
    return `<tr>${shown.join('')}</tr>`;
  };
  const head = `<thead>${rowOf(columns, 'th')}</thead>`;
  const body = `<tbody>${rows.map((cells) => rowOf(cells, 'td')).join('\n')}</tbody>`;
  const said =
    caption === undefined ? '' : `<caption><span>${escapeText(caption)}</span></caption>`;
  // Wide tables scroll separately; `tabindex` lets the keyboard reach them.
  return `<div class="scroll" tabindex="0"><table>${said}${head}${body}</table></div>`;
}

/** `2.5`, `-1e-5 ms`, `x 3`, `1 +- 2`, `not finite`, or a dash for no value; not `0.conv2d`. */
const NUMERIC = /^([-+x>]? ?\d[\d.]*(e[-+]?\d+)?( .*)?|not finite|-)$/;

/** Whether a cell is a number, with or without a unit. */
function isNumeric(cell: string | number | undefined): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && NUMERIC.test(cell));
}
