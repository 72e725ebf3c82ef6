import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseBase } from '../../bench/guardBase.ts';
import { type CasePair, casePairs } from '../../bench/guardKernels.ts';
import type { KernelCase } from '../../bench/kernelCase.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-guard-'));
const repository = join(folder, 'repository');
afterAll(() => rmSync(folder, { recursive: true }));

function git(...args: readonly string[]): string {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'init.defaultBranch=main'];
  return execFileSync('git', [...who, ...args], { cwd: repository, encoding: 'utf8' }).trim();
}

const commit = (): string => {
  git('commit', '--allow-empty', '--quiet', '-m', 'a');
  return git('rev-parse', 'HEAD');
};

describe('the commit to compare with', () => {
  let first = '';

  beforeAll(() => {
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', repository]);
    first = commit();
  });

  it('is required', () => {
    expect(() => chooseBase(repository, undefined)).toThrow(/guard found no commit before this/);
    expect(() => chooseBase(tmpdir(), undefined)).toThrow(/guard requires a git repository/);
  });

  it('is the given one', () => {
    expect(chooseBase(repository, 'main')).toEqual({ commit: first, why: 'main' });
    expect(chooseBase(repository, first.slice(0, 8)).commit).toBe(first);
    expect(() => chooseBase(repository, '--all')).toThrow(
      /guard: expected a commit of this.*, got "--all"/,
    );
  });

  it('is HEAD if there are changes, otherwise the one before', () => {
    const second = commit();
    expect(chooseBase(repository, undefined)).toEqual({ commit: first, why: 'HEAD~1' });
    writeFileSync(join(repository, 'new'), '');
    const expected = { commit: second, why: 'HEAD, before these changes' };
    expect(chooseBase(repository, undefined)).toEqual(expected);
  });

  it('is where a branch left its target', () => {
    const left = commit();
    git('switch', '--quiet', '-c', 'branch');
    commit();
    commit();
    const expected = { commit: left, why: 'where this branch left main' };
    expect(chooseBase(repository, undefined)).toEqual(expected);
  });
});

describe('the kernels of two builds', () => {
  const caseOf = (name: string): KernelCase => {
    const [kernel, shape] = [name, '1x1'];
    return { kernel, shape, unit: 'GB/s', work: 1, peakWork: 1, run() {}, check() {}, peak() {} };
  };

  it('are compared by name in any order, with those of only one build at the end', async () => {
    const own = ['a', 'new', 'b', 'c'].map(caseOf);
    const other = (async function* () {
      yield* ['b', 'a', 'old'].map(caseOf);
    })();
    const pairs: CasePair[] = [];
    for await (const pair of casePairs(own, other)) pairs.push(pair);
    expect(pairs.map(({ name, own: mine, other: theirs }) => [name, !!mine, !!theirs])).toEqual([
      ['a 1x1', true, true],
      ['b 1x1', true, true],
      ['new 1x1', true, false],
      ['old 1x1', false, true],
      ['c 1x1', true, false],
    ]);
  });
});
