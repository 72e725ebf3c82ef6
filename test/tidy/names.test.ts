// Files that comments and pages name exist, and so do the places that links of pages lead to.

import { existsSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGES } from '../support/pages.ts';
import { filesBelow, ROOT, textOf, written } from '../support/sources.ts';

/** A changelog names what was there. */
const CURRENT_PAGES = PAGES.filter((page) => page !== 'CHANGELOG.md');

/** Names of files of other projects, and of readers' own in examples. */
const ELSEWHERE = [
  './a.mjs',
  './job.mjs',
  './logCosh.mjs',
  './swish.mjs',
  'PyTorch/Classification/ConvNets/resnet50v1.5/README.md',
  'first.mjs',
  'numpy/lib/format.py',
  'torch/nn/modules/_functions.py',
];

const known = ['src', 'test', 'bench', 'workers', 'scripts', 'examples', 'docs', '.ci']
  .flatMap(filesBelow)
  .concat(PAGES, 'LICENSE', 'package.json')
  .concat('vitest.config.ts', 'vitest.long.config.ts', 'tsup.config.ts');
const names = new Set(known.map((file) => basename(file)));

/** Whether a file has this name, this path, or a path that ends so. */
function exists(name: string, from: string): boolean {
  if (!name.includes('/')) return names.has(name);
  const near = normalize(join(dirname(from), name));
  return known.some((file) => file === near || file === name || file.endsWith(`/${name}`));
}

/** Names of files in a piece of text. */
function namesIn(text: string): string[] {
  const pattern = /(?<![\w/.@:-])((?:[\w.-]+\/)*[\w-]+\.(?:ts|cts|mjs|py|md))\b/g;
  return [...text.matchAll(pattern)].map((m) => m[1]!);
}

function missing(file: string, pieces: RegExp): string[] {
  return [...textOf(file).matchAll(pieces)]
    .flatMap(([piece]) => namesIn(piece))
    .filter((name) => !ELSEWHERE.includes(name) && !exists(name, file))
    .map((name) => `${file} names ${name}`);
}

/** The name by which a heading can be linked to. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ +(.+)$/gm)].map((m) =>
    anchorOf(m[1]!.replace(/[`*]/g, '')),
  );
}

/** Links of a page to places in this project that are not there. */
function deadLinks(page: string): string[] {
  return [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((m) => m[1]!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path, anchor] = link.split('#') as [string, string | undefined];
      const target = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    })
    .map((link) => `${page} links to ${link}`);
}

describe('the files that are named', () => {
  it('in comments exist', () => {
    const comments = /\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
    expect(written.flatMap((file) => missing(file, comments))).toEqual([]);
  });

  it('in pages exist', () => {
    expect(CURRENT_PAGES.flatMap((page) => missing(page, /`[^`\n]+`/g))).toEqual([]);
  });

  it('elsewhere are still named', () => {
    const all = [...written, ...CURRENT_PAGES].map(textOf).join('\n');
    expect(ELSEWHERE.filter((name) => !all.includes(name))).toEqual([]);
  });
});

describe('links of pages', () => {
  it('are valid', () => {
    expect(PAGES.flatMap(deadLinks)).toEqual([]);
  });
});
