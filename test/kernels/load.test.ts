// What can go wrong when kernels are loaded, and the advice in the error.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { compileFile } from '../../src/kernels/binaries.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { readFile } = vi.hoisted(() => ({ readFile: { fails: undefined as Error | undefined } }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  return {
    ...fs,
    readFileSync: (path: string) => {
      if (readFile.fails !== undefined) throw readFile.fails;
      return fs.readFileSync(path);
    },
  };
});

describe('kernels that cannot be loaded', () => {
  afterEach(() => {
    readFile.fails = undefined;
  });

  it('say that too many files are open', () => {
    readFile.fails = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    expect(() => compileFile('strict.wasm')).toThrow(/strict\.wasm.*EMFILE.*ulimit -n/);
  });

  it('say that the file is missing, or broken', () => {
    const broken = join(folder, 'broken.wasm');
    writeFileSync(broken, 'half a module');
    expect(() => compileFile(broken)).toThrow(/^the kernels: .*broken\.wasm.*installing syncbn/);
    expect(() => compileFile(join(folder, 'none.wasm'))).toThrow(/ENOENT.*npm run build/);
  });
});
