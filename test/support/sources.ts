// The files of this project, for the tests of the house rules.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The files below a folder, by their paths from the root. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('node_modules'));
}

export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** What is shipped. */
export const sources = filesBelow('src').filter((file) => file.endsWith('.ts'));
/** All hand-written code. */
export const written = [sources, ...['test', 'workers', 'bench', 'examples'].map(filesBelow)]
  .flat()
  .filter((file) => /\.(ts|cts|mjs|js)$/.test(file));

/** What a file imports or exports from elsewhere: packages as they are named, files by their paths
 * from the root. AssemblyScript leaves the ending of a file away. */
export function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms)].map((m) => {
    const name = m[1]!;
    if (!name.startsWith('.')) return name;
    const path = relative(ROOT, resolve(ROOT, dirname(file), name));
    return extname(path) === '' ? `${path}.ts` : path;
  });
}
