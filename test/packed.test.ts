// The package as it is published: what its pages link to is in it.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const LINK = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g;

/** The paths of all files in the tarball. */
async function packedFiles(): Promise<readonly string[]> {
  const pack = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: root });
  const [report] = JSON.parse(stdout) as { files: { path: string }[] }[];
  return report!.files.map(({ path }) => path);
}

/** Whether a file, or a folder with files, is among the packed ones. */
function isPacked(path: string, files: readonly string[]): boolean {
  const bare = path.replace(/\/$/, '');
  return files.some((file) => file === bare || file.startsWith(`${bare}/`));
}

describe('the tarball', () => {
  it('holds the license and everything that its pages link to', async () => {
    const files = await packedFiles();
    expect(files).toContain('LICENSE');
    const pages = files.filter((file) => file.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(10);
    const dead = pages.flatMap((page) =>
      [...readFileSync(join(root, page), 'utf8').matchAll(LINK)]
        .map(([, target]) => normalize(join(dirname(page), target!)))
        .filter((target) => !isPacked(target, files))
        .map((target) => `${page} -> ${target}`),
    );
    expect(dead).toEqual([]);
  });
});
