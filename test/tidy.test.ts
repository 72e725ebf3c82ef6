// The house rules that a machine can check: imports point backward along the order in which data
// flows, files and lines keep their budgets, every file says what it is.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Folders of src in the order of the data flow, each with those that it may not import although
 * they come before it. */
const ORDER: readonly { readonly folder: string; readonly apart: readonly string[] }[] = [
  { folder: 'base', apart: [] },
  { folder: 'memory', apart: [] },
  { folder: 'kernels', apart: [] },
  { folder: 'sync', apart: ['kernels'] },
  { folder: 'norm', apart: ['sync'] },
  { folder: 'nn', apart: ['sync'] },
  { folder: 'optim', apart: ['sync', 'norm', 'nn'] },
  { folder: 'data', apart: ['sync', 'norm', 'nn', 'optim'] },
  { folder: 'train', apart: [] },
  { folder: 'direct', apart: ['memory', 'optim', 'data', 'train'] },
  { folder: 'runtime', apart: [] },
  { folder: 'report', apart: ['memory', 'kernels', 'sync', 'norm', 'nn', 'optim', 'data'] },
  { folder: 'simulate', apart: ['kernels', 'sync', 'optim', 'data', 'train'] },
  { folder: 'experiments', apart: ['memory', 'kernels', 'sync'] },
  { folder: 'cli', apart: [] },
];

/** Packages that only some folders may know. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  piscina: ['runtime'],
  comlink: ['runtime'],
  cac: ['cli'],
  'cli-progress': ['cli'],
  'console-table-printer': ['cli'],
  '@observablehq/plot': ['report'],
  linkedom: ['report'],
};

const MAX_LINES = 400;
const MAX_COLUMNS = 100;
const MAX_HEADER_LINES = 8;

const sources = filesBelow('src').filter((file) => file.endsWith('.ts'));
const written = [
  ...sources,
  ...filesBelow('test'),
  ...filesBelow('workers'),
  ...filesBelow('bench'),
]
  .concat(filesBelow('examples'))
  .filter((file) => /\.(ts|mjs|js)$/.test(file));

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('node_modules'));
}

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms)].map(
    (m) => m[1]!,
  );
}

/** The folder of src that a file belongs to; undefined for src/index.ts. */
function folderOf(file: string): string | undefined {
  return /^src\/([^/]+)\//.exec(file)?.[1];
}

describe('imports in src', () => {
  it('has every folder in the order', () => {
    const folders = new Set(sources.map(folderOf).filter((folder) => folder !== undefined));
    expect([...folders].sort()).toEqual(ORDER.map(({ folder }) => folder).sort());
  });

  it.each(ORDER.map(({ folder }) => folder))('of %s point backward', (folder) => {
    const position = ORDER.findIndex((entry) => entry.folder === folder);
    const { apart } = ORDER[position]!;
    const allowed = new Set(
      ORDER.slice(0, position + 1)
        .map((entry) => entry.folder)
        .filter((name) => !apart.includes(name)),
    );
    const wrong = sources
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => name.startsWith('.'))
          .map((name) => folderOf(relative(root, resolve(root, dirname(file), name))))
          .filter((target) => target === undefined || !allowed.has(target))
          .map((target) => `${file} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('keep packages to the folders that may know them', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((name) => PACKAGES[name]?.includes(folderOf(file) ?? '') === false)
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('every file', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    const long = written
      .map((file) => ({ file, lines: textOf(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it(`has lines of at most ${MAX_COLUMNS} columns`, () => {
    const long = written.flatMap((file) =>
      textOf(file)
        .split('\n')
        .flatMap((line, i) => (line.length > MAX_COLUMNS ? [`${file}:${i + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  it(`begins with at most ${MAX_HEADER_LINES} lines that say what it is`, () => {
    // A test file says what it is by its name and its titles.
    const wrong = written.filter((file) => {
      if (file.endsWith('.test.ts')) return false;
      const lines = textOf(file)
        .replace(/^#!.*\n/, '')
        .split('\n');
      const header = lines.findIndex((line) => !line.startsWith('//'));
      return header < 1 || header > MAX_HEADER_LINES;
    });
    expect(wrong).toEqual([]);
  });

  it('of src has no default export', () => {
    const wrong = sources.filter((file) => /^export default/m.test(textOf(file)));
    expect(wrong).toEqual([]);
  });
});
