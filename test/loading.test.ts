// What the built package loads before it runs: files, bytes and packages, according to the imports
// in dist. `npm run bench -- start` measures time; this test counts what takes it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const { dependencies, devDependencies, peerDependencies } = JSON.parse(
  readFileSync(join(dist, '../package.json'), 'utf8'),
) as Record<string, Record<string, string>>;

const STATIC = /^(?:import|export)\b[^'"]*?["']([^'"]+)["'];$/gm;
const ANY = /(?:^(?:import|export)\b[^'"]*?|\bimport\()["']([^'"]+)["']/gm;

const COMLINK = ['comlink', 'comlink/dist/esm/node-adapter.mjs'];

interface Loaded {
  readonly files: readonly string[];
  readonly bytes: number;
  readonly packages: readonly string[];
}

const isBuiltin = (name: string): boolean => builtinModules.includes(name.replace('node:', ''));

/** Everything that is loaded before the first line of a built file runs, including the file. */
function loadedBy(entry: string): Loaded {
  const packages = new Set<string>();
  const files = new Map<string, number>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    const text = readFileSync(file, 'utf8');
    files.set(file, text.length);
    for (const [, name] of text.matchAll(STATIC)) {
      if (name!.startsWith('.')) visit(join(dirname(file), name!));
      else if (!isBuiltin(name!)) packages.add(name!);
    }
  };
  visit(join(dist, entry));
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  return { files: [...files.keys()].map((f) => relative(dist, f)), bytes, packages: [...packages] };
}

/** The built file whose name begins like this: those that are loaded on demand have a hash. */
function fileOf(start: string): string {
  return readdirSync(dist).find((file) => file.startsWith(start) && file.endsWith('.js'))!;
}

describe('before it runs', () => {
  // Each limit is about a tenth above the current value.
  it.each([
    { what: 'syncbn --version', entry: 'cli.js', files: 5, kilobytes: 10, packages: [] },
    { what: 'any other command', entry: 'main-', files: 7, kilobytes: 30, packages: [] },
    { what: 'syncbn --help', entry: 'program-', files: 16, kilobytes: 148, packages: [] },
    { what: 'syncbn train', entry: 'trainCommand-', files: 25, kilobytes: 1400, packages: COMLINK },
    { what: "import 'syncbn'", entry: 'index.js', files: 17, kilobytes: 860, packages: [] },
    { what: 'collectives', entry: 'collectives.js', files: 6, kilobytes: 260, packages: [] },
    {
      what: 'a training thread',
      entry: 'workers/train.js',
      files: 15,
      kilobytes: 575,
      packages: COMLINK,
    },
    {
      what: 'the thread that reads',
      entry: 'workers/read.js',
      files: 1,
      kilobytes: 48,
      packages: COMLINK,
    },
  ])('$what loads no more than it needs', ({ entry, files, kilobytes, packages }) => {
    const file = entry.endsWith('.js') ? entry : fileOf(entry);
    const loaded = loadedBy(file);
    expect([...loaded.packages].sort()).toEqual(packages);
    expect(loaded.files.length).toBeLessThanOrEqual(files);
    expect(loaded.bytes / 1000).toBeLessThanOrEqual(kilobytes);
  });

  it('the command handles signals before it loads the rest', () => {
    expect(loadedBy(fileOf('main-')).files).not.toContain(fileOf('program-'));
  });
});

describe('the built package', () => {
  const built = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.c?js$/.test(file),
  );

  it('imports no package that is not installed with it', () => {
    const allowed = [...Object.keys(dependencies!), ...Object.keys(peerDependencies!)];
    const foreign = built.flatMap((file) =>
      [...readFileSync(join(dist, file), 'utf8').matchAll(ANY)]
        .map(([, name]) => name!)
        .filter((name) => !name.startsWith('.') && !name.startsWith('#') && !isBuiltin(name))
        .filter((name) => !allowed.some((one) => name === one || name.startsWith(`${one}/`)))
        .map((name) => `${file}: ${name}`),
    );
    expect(foreign).toEqual([]);
  });

  it('has the license of each bundled package', () => {
    const parts = new Set(
      built
        .map((file) => join(dist, `${file}.map`))
        .filter((map) => existsSync(map))
        .flatMap((map) => (JSON.parse(readFileSync(map, 'utf8')) as { sources: string[] }).sources)
        .flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []),
    );
    expect([...parts].sort()).toEqual(['@msgpack/msgpack', 'cac', 'zod']);
    for (const name of parts) {
      expect(devDependencies).toHaveProperty([name]);
      expect(existsSync(join(dist, 'licenses', `${name.replace('/', '-')}.txt`))).toBe(true);
    }
  });
});
