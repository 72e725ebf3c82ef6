// Writes docs/commands.md from the tables of commands and flags. --check reports whether it is up
// to date.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = join(root, 'docs/commands.md');
const outfile = join(root, 'node_modules/.cache/syncbn-commands/commandsPage.mjs');
await bundle(join(root, 'src/cli/entry/commandsPage.ts'), outfile);
const { commandsPage } = await import(pathToFileURL(outfile).href);

const text = commandsPage();
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error(`${file} is out of date. Try: npm run docs:commands`);
  process.exitCode = 1;
}
