// Joins chunks made by tsup that are loaded together anyway: Node takes longer to find and open a
// file than to compile it. esbuild makes a chunk for each set of entries that share code, and most
// are small. Only the entries listed below count here. A chunk never imports one that fewer of them
// load, so joined files have no import cycles.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const DIST = 'dist';
/** Entries, by file name prefix, that must load no more than they would alone. */
const ENTRIES = [
  'cli.js',
  'main-',
  'program-',
  'index.js',
  'collectives.js',
  'workers/train.js',
  'workers/launch.js',
];
/** Entries that may share code that none of the first ones loads. */
const LATER_ENTRIES = ['start-', 'trainCommand-', 'launchRun-'];
/** An import as esbuild writes it: its names, if any, and the file. */
const IMPORT = /^import (?:\{([^}]*)\} from )?"(\.{1,2}\/[^"]+)";$/gm;

const files = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js'))
  .map((file) => join(DIST, file));
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
const textOf = (file) => texts.get(file) ?? '';
const isChunk = (file) => basename(file).startsWith('chunk-');
const importsOf = (file) =>
  [...textOf(file).matchAll(IMPORT)].map(([, , path]) => join(dirname(file), path));

/** All files that a file loads before it runs. */
function loadedBy(file, found = new Set()) {
  for (const imported of importsOf(file)) {
    if (found.has(imported)) continue;
    found.add(imported);
    loadedBy(imported, found);
  }
  return found;
}

/** Returns a function that says which of these entries load a chunk; undefined if none does. */
function bindLoaders(entries) {
  const loaded = entries.map((start) => {
    const entry = files.find((file) => relative(DIST, file).startsWith(start));
    if (entry === undefined) throw new Error(`${DIST} has no file ${start}: rename it here too`);
    return loadedBy(entry);
  });
  return (chunk) => {
    const by = entries.filter((_, i) => loaded[i].has(chunk));
    return by.length === 0 ? undefined : by.join();
  };
}

/** The chunks to join, by the entries that load them. */
function groupsOf() {
  const [firstBy, laterBy] = [ENTRIES, LATER_ENTRIES].map(bindLoaders);
  const groups = new Map();
  for (const chunk of files.filter(isChunk)) {
    const by = firstBy(chunk) ?? laterBy(chunk);
    if (by !== undefined) groups.set(by, [...(groups.get(by) ?? []), chunk]);
  }
  return [...groups.values()].filter((chunks) => chunks.length > 1);
}

/** The name of a chunk's export in the joined file. */
const joinedName = (chunk, name) => `${name}_${basename(chunk, '.js').slice('chunk-'.length)}`;
const joinedFile = ([first = '']) => join(DIST, `joined-${basename(first).slice('chunk-'.length)}`);

/** The names that a chunk exports, which esbuild lists at its end. */
function exportsOf(chunk) {
  const [, names = ''] = /^export \{([^}]*)\};$/m.exec(textOf(chunk)) ?? [];
  return names.split(',').flatMap((name) => name.trim().split(' as ').at(-1) || []);
}

/** The same text with imports from joined files. Lines keep their positions, for the source map. */
function redirected(file, text, targets) {
  const moved = text.replaceAll(IMPORT, (whole, names, path) => {
    const chunk = join(dirname(file), path);
    const target = targets.get(chunk);
    if (target === undefined) return whole;
    const to = relative(dirname(file), target);
    const url = to.startsWith('.') ? to : `./${to}`;
    if (names === undefined) return `import "${url}";`;
    const renamed = names.replace(/([\w$]+)(?: as ([\w$]+))?/g, (_, name, own = name) => {
      return `${joinedName(chunk, name)} as ${own}`;
    });
    return `import {${renamed}} from "${url}";`;
  });
  const lost = [...targets.keys()].find((chunk) => moved.includes(`/${basename(chunk)}"`));
  if (lost !== undefined) throw new Error(`${file} imports ${lost} in an unknown way`);
  return moved;
}

/** Writes the file that replaces several chunks. */
async function writeJoined(chunks, targets) {
  const lines = chunks.map((chunk) => {
    const names = exportsOf(chunk).map((name) => `${name} as ${joinedName(chunk, name)}`);
    return `export { ${names.join(', ')} } from './${basename(chunk)}';`;
  });
  const outfile = joinedFile(chunks);
  const own = new Set(chunks.map((chunk) => `./${basename(chunk)}`));
  await build({
    stdin: { contents: lines.join('\n'), resolveDir: DIST, sourcefile: 'joined' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    treeShaking: false,
    plugins: [
      {
        name: 'others stay apart',
        setup: ({ onResolve }) =>
          onResolve({ filter: /./ }, ({ path }) =>
            own.has(path) ? null : { path, external: true },
          ),
      },
    ],
  });
  writeFileSync(outfile, redirected(outfile, readFileSync(outfile, 'utf8'), targets));
}

const groups = groupsOf();
const targets = new Map(groups.flatMap((chunks) => chunks.map((c) => [c, joinedFile(chunks)])));
for (const chunks of groups) await writeJoined(chunks, targets);
for (const file of files) {
  if (targets.has(file)) {
    rmSync(file);
    rmSync(`${file}.map`, { force: true });
  } else writeFileSync(file, redirected(file, textOf(file), targets));
}
console.log(`${targets.size} of ${files.filter(isChunk).length} chunks joined to ${groups.length}`);
