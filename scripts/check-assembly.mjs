// Formats and lints the AssemblyScript sources with Biome. Its parser does not accept decorators on
// functions, so it gets a copy in which they are comments. With --write, Biome's changes are copied
// back to the sources.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'src/kernels/assembly');
const isWriting = process.argv.includes('--write');

const hide = (/** @type {string} */ code) => code.replace(/^(\s*)@(\w+)$/gm, '$1/*@$2*/');
const show = (/** @type {string} */ code) => code.replace(/^(\s*)\/\*@(\w+)\*\/$/gm, '$1@$2');

/** The project's Biome configuration, for the copy. */
function configuration() {
  const {
    $schema: _,
    files: _all,
    linter,
    ...shared
  } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
  const suspicious = {
    ...linter.rules.suspicious,
    // In AssemblyScript, `==` compares values of one type, and `===` is the same.
    noDoubleEquals: 'off',
  };
  // AssemblyScript's imports do not support `type`.
  const style = { ...linter.rules.style, useImportType: 'off' };
  return { ...shared, linter: { rules: { ...linter.rules, suspicious, style } } };
}

const copy = mkdtempSync(join(tmpdir(), 'syncbn-assembly-'));
try {
  cpSync(sources, copy, { recursive: true });
  writeFileSync(join(copy, 'biome.json'), `${JSON.stringify(configuration(), null, 2)}\n`);
  const files = readdirSync(copy).filter((name) => name.endsWith('.ts'));
  for (const name of files) {
    writeFileSync(join(copy, name), hide(readFileSync(join(copy, name), 'utf8')));
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'check', '--error-on-warnings', ...(isWriting ? ['--write'] : []), ...files];
  const { status } = spawnSync(process.execPath, args, { cwd: copy, stdio: 'inherit' });
  if (isWriting) {
    for (const name of files) {
      writeFileSync(join(sources, name), show(readFileSync(join(copy, name), 'utf8')));
    }
  }
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true });
}
