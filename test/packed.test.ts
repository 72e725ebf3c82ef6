// The package as it is published: what its pages link to is in it.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const LINK = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g;

interface Packed {
  readonly files: readonly string[];
  /** Of the tarball, and of what is in it. */
  readonly megabytes: { readonly packed: number; readonly unpacked: number };
}

/** What npm would publish. */
async function pack(): Promise<Packed> {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root });
  const [report] = JSON.parse(stdout) as {
    readonly files: readonly { readonly path: string }[];
    readonly size: number;
    readonly unpackedSize: number;
  }[];
  const { files, size, unpackedSize } = report!;
  const megabytes = { packed: size / 1e6, unpacked: unpackedSize / 1e6 };
  return { files: files.map(({ path }) => path), megabytes };
}

let packed: Packed;
beforeAll(async () => {
  packed = await pack();
});

/** Whether a file, or a folder with files, is among the packed ones. */
function isPacked(path: string, files: readonly string[]): boolean {
  const bare = path.replace(/\/$/, '');
  return files.some((file) => file === bare || file.startsWith(`${bare}/`));
}

describe('the tarball', () => {
  it('holds the license and everything that its pages link to', () => {
    const { files } = packed;
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

  it('is as large and needs as many packages as docs/weight.md says', () => {
    const page = readFileSync(join(root, 'docs/weight.md'), 'utf8');
    const [, count] = /has (\d+) runtime dependencies/.exec(page)!;
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    expect(Object.keys(dependencies)).toHaveLength(Number(count));
    const [, ...said] = /download is ([\d.]+) MB, ([\d.]+) MB unpacked/.exec(page)!;
    const found = [packed.megabytes.packed, packed.megabytes.unpacked];
    // A tenth more is a page to change; a tenth less, too.
    for (const [i, size] of found.entries()) {
      expect(size).toBeGreaterThan(0.9 * Number(said[i]));
      expect(size).toBeLessThan(1.1 * Number(said[i]));
    }
  });
});
