// Imports point backward along the order in which data flows, and never in a circle; threads load
// no more than they run.

import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { filesBelow, importsOf, ROOT, sources } from '../support/sources.ts';

/** Folders of src in the order of the data flow, each with those that it may not import although
 * they come before it. */
const ORDER: readonly { readonly folder: string; readonly apart: readonly string[] }[] = [
  { folder: 'base', apart: [] },
  { folder: 'memory', apart: [] },
  { folder: 'kernels', apart: [] },
  { folder: 'sync', apart: ['kernels'] },
  { folder: 'mpi', apart: ['memory', 'kernels'] },
  { folder: 'reduce', apart: ['mpi'] },
  { folder: 'norm', apart: ['sync'] },
  { folder: 'nn', apart: ['sync'] },
  { folder: 'optim', apart: ['sync', 'reduce', 'norm', 'nn'] },
  { folder: 'data', apart: ['sync', 'reduce', 'norm', 'nn', 'optim'] },
  { folder: 'plan', apart: [] },
  { folder: 'observe', apart: [] },
  { folder: 'train', apart: [] },
  { folder: 'checkpoint', apart: ['kernels', 'observe', 'train'] },
  { folder: 'interop', apart: ['kernels', 'sync', 'mpi', 'observe', 'train'] },
  {
    folder: 'direct',
    apart: ['memory', 'optim', 'data', 'plan', 'observe', 'train', 'checkpoint', 'interop'],
  },
  {
    folder: 'onnx',
    apart: ['memory', 'kernels', 'reduce', 'norm', 'optim', 'plan', 'observe', 'train', 'direct'],
  },
  { folder: 'runtime', apart: [] },
  {
    folder: 'report',
    apart: ['memory', 'kernels', 'sync', 'reduce', 'norm', 'nn', 'optim', 'data'],
  },
  { folder: 'simulate', apart: ['kernels', 'sync', 'reduce', 'optim', 'data', 'train'] },
  { folder: 'doctor', apart: ['memory', 'kernels', 'sync', 'reduce'] },
  { folder: 'experiments', apart: ['memory', 'kernels', 'sync', 'reduce'] },
  { folder: 'cli', apart: [] },
];

/** Rooms of large folders, in the order in which they may import each other. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  nn: ['specs', 'layers', 'conv', 'images', 'norms', 'recurrent', 'graph', 'models', 'convert'],
  onnx: ['format', 'export', 'import'],
  experiments: ['engine', 'peers', 'runs'],
  cli: ['output', 'process', 'settings', 'commands', 'entry'],
};

/** Packages that only some folders may know. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  piscina: ['runtime'],
  comlink: ['runtime'],
  koffi: ['mpi'],
  sharp: ['data'],
  cac: ['cli'],
  'cli-progress': ['cli'],
  'console-table-printer': ['cli'],
  '@observablehq/plot': ['report'],
  linkedom: ['report'],
  '@bufbuild/protobuf': ['onnx'],
  'onnx-buf': ['onnx'],
};

/** Packages that the modules of threads may load; the more they are, the longer each thread of
 * every run takes to start. */
const THREAD_PACKAGES = ['comlink', 'piscina'];
/** Uses the norms as jobs of users do, through the door that checks their options. */
const USER_LIKE = 'workers/peers.ts';
const THREAD_MODULES = filesBelow('workers').filter(
  (file) => file.endsWith('.ts') && file !== USER_LIKE,
);

const isCode = (file: string): boolean => /\.(ts|mts|mjs)$/.test(file);

/** The folder of src that a file belongs to; undefined for src/index.ts. */
function folderOf(file: string): string | undefined {
  return /^src\/([^/]+)\//.exec(file)?.[1];
}

/** The files of a circle of imports, the first one again at its end; undefined where there is
 * none. */
function circleIn(files: readonly string[]): readonly string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const name of importsOf(file)) {
      const circle = name.startsWith('src/') ? visit(name) : undefined;
      if (circle !== undefined) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of files) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

describe('imports in src', () => {
  it('have an order that includes every folder', () => {
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
          .filter((name) => name.startsWith('src/'))
          .map(folderOf)
          .filter((target) => target === undefined || !allowed.has(target))
          .map((target) => `${file} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(ROOMS))('point backward between the folders of %s', (folder, rooms) => {
    const roomOf = (file: string): number => {
      return rooms.findIndex((room) => file.startsWith(`src/${folder}/${room}/`));
    };
    const inside = sources.filter((file) => folderOf(file) === folder);
    expect(inside.filter((file) => roomOf(file) === -1)).toEqual([]);
    const wrong = inside.flatMap((file) =>
      importsOf(file)
        .filter((name) => folderOf(name) === folder && roomOf(name) > roomOf(file))
        .map((name) => `${file} imports ${name}`),
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

  it('are never circular, not even for types', () => {
    expect(circleIn(sources)).toBeUndefined();
  });
});

describe('the modules of threads', () => {
  it.each(THREAD_MODULES)('%s loads few packages', async (entry) => {
    const { metafile } = await build({
      entryPoints: [join(ROOT, entry)],
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
    });
    const packages = Object.values(metafile.inputs)
      .flatMap(({ imports }) => imports)
      .filter(({ external, path }) => external && !path.startsWith('node:'))
      .map(({ path }) =>
        path
          .split('/')
          .slice(0, path.startsWith('@') ? 2 : 1)
          .join('/'),
      );
    expect([...new Set(packages)].filter((name) => !THREAD_PACKAGES.includes(name))).toEqual([]);
  });
});

describe('imports of tests and benchmarks', () => {
  const folderIn = (file: string): string => file.split('/').slice(0, 2).join('/');
  /** What of test the files import that are not in the same folder. */
  const foreign = (files: readonly string[]): { file: string; name: string }[] =>
    files.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('test/') && folderIn(name) !== folderIn(file))
        .map((name) => ({ file, name })),
    );
  const shown = ({ file, name }: { file: string; name: string }) => `${file} imports ${name}`;

  it('share only test/support with other folders of test', () => {
    const files = filesBelow('test').concat(filesBelow('bench')).filter(isCode);
    const isShared = ({ name }: { name: string }) => name.startsWith('test/support/');
    expect(foreign(files).filter(isShared).length).toBeGreaterThan(100);
    const wrong = foreign(files).filter((found) => !isShared(found));
    expect(wrong.map(shown)).toEqual([]);
  });

  it('of test/support are only from test/support', () => {
    const support = filesBelow('test/support').filter(isCode);
    expect(foreign(support).map(shown)).toEqual([]);
  });
});
