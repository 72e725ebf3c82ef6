// `npm version` as a maintainer runs it, in a small repository that has this project's script.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT, textOf } from './support/sources.ts';

const SCRIPT = 'scripts/changelog-version.mjs';

it('npm version dates the changelog, commits and tags', () => {
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-version-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const who = { NAME: 'a', EMAIL: 'a@example.com' };
  const names = Object.entries(who).flatMap(([key, value]) => [
    [`GIT_AUTHOR_${key}`, value],
    [`GIT_COMMITTER_${key}`, value],
  ]);
  const env = { ...process.env, ...Object.fromEntries(names) };
  const run = (file: string, ...argv: readonly string[]): string =>
    execFileSync(file, argv, { cwd: folder, env, encoding: 'utf8', stdio: 'pipe' });

  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: { version: string } };
  const manifest = { name: 'a', version: '0.1.0', scripts: { version: scripts.version } };
  mkdirSync(join(folder, 'scripts'));
  copyFileSync(join(ROOT, SCRIPT), join(folder, SCRIPT));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'CITATION.cff'), 'version: 0.1.0\ndate-released: 2026-01-01\n');
  writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n- New.\n');
  run('git', 'init', '--quiet');
  run('git', 'add', '.');
  run('git', 'commit', '--quiet', '--message', 'before');

  run('npm', 'version', 'minor');
  const changelog = readFileSync(join(folder, 'CHANGELOG.md'), 'utf8');
  expect(changelog).toMatch(/^## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n- New\.\n$/m);
  expect(run('git', 'status', '--porcelain')).toBe('');
  expect(run('git', 'describe', '--tags')).toBe('v0.2.0\n');
});
