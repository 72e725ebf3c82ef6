import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { peerProgram } from '../../bench/served.ts';
import { findTorch, pythonOf } from '../../bench/torch.ts';

const python = pythonOf(undefined);
const hasTorch = 'build' in (await findTorch(python));
const hasMpi = spawnSync('mpicc', ['--version']).status === 0;
const cwd = peerProgram('');

describe('the programs of the peers', () => {
  it.skipIf(!hasTorch)('in Python import what there is', () => {
    const modules = readdirSync(cwd).flatMap((file) => /(\w+)\.py$/.exec(file)?.[1] ?? []);
    expect(modules).toContain('gloo_all_reduce');
    const code = `import sys; sys.dont_write_bytecode = True; import ${modules.join()}`;
    const { stderr } = spawnSync(python, ['-c', code], { cwd, encoding: 'utf8' });
    expect(stderr).toBe('');
  });

  it.skipIf(!hasMpi)('in C have no errors', () => {
    const args = ['-fsyntax-only', 'openmpi_all_reduce.c'];
    const { status, stderr } = spawnSync('mpicc', args, { cwd, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('in JavaScript are written without mistakes', () => {
    for (const file of readdirSync(cwd).filter((name) => name.endsWith('.mjs'))) {
      const { stderr } = spawnSync(process.execPath, ['--check', file], { cwd, encoding: 'utf8' });
      expect(stderr).toBe('');
    }
  });
});
