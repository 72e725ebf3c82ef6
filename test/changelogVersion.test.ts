// The script of `npm version`, alone; changelogVersion.long.test.ts runs it by npm.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ROOT, textOf } from './support/sources.ts';

const SCRIPT = join(ROOT, 'scripts/changelog-version.mjs');
const OLD = '## 0.1.0 (2026-01-01)\n\n- Old.\n';
let folder: string;

function dateVersion(changelog: string): string {
  writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
  writeFileSync(join(folder, 'CITATION.cff'), 'version: 0.1.0\ndate-released: 2026-01-01\n');
  const env = { ...process.env, npm_package_version: '0.2.0' };
  execFileSync(process.execPath, [SCRIPT], { cwd: folder, env, stdio: 'pipe' });
  return readFileSync(join(folder, 'CHANGELOG.md'), 'utf8');
}

describe('a new version', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'syncbn-version-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
  });

  it('gets the unreleased changes and the current date', () => {
    const today = new Date().toISOString().slice(0, 10);
    expect(dateVersion(`# Changelog\n\n## Unreleased\n\n- New.\n\n${OLD}`)).toBe(
      `# Changelog\n\n## Unreleased\n\n## 0.2.0 (${today})\n\n- New.\n\n${OLD}`,
    );
    const citation = `version: 0.2.0\ndate-released: ${today}\n`;
    expect(readFileSync(join(folder, 'CITATION.cff'), 'utf8')).toBe(citation);
  });

  it('is refused if nothing changed', () => {
    const empty = `# Changelog\n\n## Unreleased\n\n${OLD}`;
    expect(() => dateVersion(empty)).toThrow(/nothing under "## Unreleased"/);
  });
});

describe('this project', () => {
  const { version, engines } = JSON.parse(textOf('package.json')) as {
    readonly version: string;
    readonly engines: { readonly node: string };
  };

  it('has a dated entry for its version, in the changelog and for citations', () => {
    const [, date] = new RegExp(`^## ${version} \\((.*)\\)$`, 'm').exec(textOf('CHANGELOG.md'))!;
    expect(textOf('CITATION.cff')).toContain(`version: ${version}\ndate-released: ${date}\n`);
  });

  it('is tested on all promised systems and Node versions', () => {
    const workflow = textOf('.github/workflows/test.yml');
    const [, nodes] = /node: \[(.*)\]/.exec(workflow)!;
    expect(engines.node).toBe(`>=${nodes!.split(', ')[0]}.19`);
    expect(nodes!.split(', ')).toContain(textOf('.nvmrc').trim());
    for (const system of ['ubuntu', 'macos', 'windows']) expect(workflow).toContain(`- ${system}-`);
  });
});
