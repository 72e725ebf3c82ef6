// What the command does with the normalizations of a trained run: converts, measures, corrects,
// folds, explains.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Metrics } from '../../src/observe/metric.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-norms-'));
const run = join(folder, 'run.ckpt');
const data = ['--data', 'synthetic', '--limit', '64', '--workers', '2'];
interface Evaluated {
  readonly testLoss: number;
  readonly weightsHash: string;
  readonly count: number;
  readonly metrics: Metrics<'f1' | 'confusion' | 'top2'>;
}
const evaluate = async (...args: string[]) => {
  const { events, code, stderr } = await syncbn(['eval', '--json', ...data, ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return events[0] as unknown as Evaluated;
};

beforeAll(async () => {
  const size = ['--replicas', '2', '--replica-batch', '8', '--norm', 'auto'];
  const { events, code } = await syncbn(['train', '--json', ...data, ...size, '--checkpoint', run]);
  expect(code).toBe(0);
  expect(events[0]).toMatchObject({
    norm: 'batchNorm (sync), groupNorm (4 groups of 16 channels)',
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('syncbn inspect', () => {
  it('says how many values each norm is over, and what auto chose and why', async () => {
    const { events } = await syncbn(['inspect', run, '--json']);
    const { normChoices } = events[0] as { readonly normChoices: readonly object[] };
    expect(normChoices).toHaveLength(3);
    expect(normChoices[2]).toEqual({
      layer: '10.groupNorm',
      norm: 'groupNorm (4 groups of 16 channels)',
      values: 16,
      auto: 'group',
      why:
        '16 values per channel (16 samples x 1 positions), fewer than 32; ' +
        '4 groups of 16 channels',
    });
    const { stdout } = await syncbn(['inspect', run]);
    expect(stdout).toMatch(/auto, 1\.batchNorm: sync; 2304 values per channel .*; 2 replicas/);
  });
});

describe('syncbn train --weights', () => {
  it('starts from the weights of a checkpoint and says what happened to them', async () => {
    const size = ['--replicas', '2', '--replica-batch', '8', '--norm', 'auto', '--max-steps', '1'];
    const tuned = ['--freeze', '0.*', '--lr-scale', '*.bias=0.1', '--bn-statistics', 'running'];
    const { stdout, code } = await syncbn(['train', ...data, ...size, '--weights', run, ...tuned]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Weights of .*run\.ckpt: (\d+) of \1 tensors carried over\.\n/);
    expect(stdout).toMatch(/batchNorm \(running statistics, moved by sync\)/);
  });
});

describe('syncbn train --resume --norm', () => {
  const resume = ['train', ...data, '--resume', run, '--epochs', '2'];

  it('continues with other norms and reports what carried over', async () => {
    const local = [...resume, '--json', '--norm', 'local'];
    const { events, code } = await syncbn([...local, '--norm-kinds', 'all']);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ event: 'start', norm: 'batchNorm (local)', step: 4 });
    expect(events[1]).toMatchObject({ event: 'converted' });
    const { lost } = events[1] as { readonly lost: readonly { readonly why: string }[] };
    expect(lost.map(({ why }) => why)).toEqual([
      'groupNorm has none; starts at 0',
      'groupNorm has none; starts at 1',
      'groupNorm has none; starts at 0',
    ]);
  });

  it('keeps other kinds of norms unless asked, and says so', async () => {
    const { events } = await syncbn([...resume, '--json', '--norm', 'local']);
    expect(events[0]).toMatchObject({ event: 'notice' });
    expect(events[0]!.message).toMatch(/keeps 10\.groupNorm \(groupNorm\) unchanged/);
    expect(events[1]).toMatchObject({
      norm: 'batchNorm (local), groupNorm (4 groups of 16 channels)',
    });
    const { code, stderr } = await syncbn([...resume, '--norm', 'local', '--norm-kinds', 'groups']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--norm-kinds: expected all, or a list of.*, got "groups"/);
  });

  it('shows it to people, and says nothing if nothing changed', async () => {
    const { stdout } = await syncbn([...resume, '--norm', 'group']);
    expect(stdout).toMatch(/Other norms: 12 of 18 of their tensors carried over; not:\n/);
    expect(stdout).toMatch(/\n {2}runningMean: groupNorm has none \(1\.batchNorm, 2 layers\)\n/);
    const same = await syncbn([...resume, '--norm', 'auto', '--json']);
    expect(same.code).toBe(0);
    expect(same.events.map(({ event }) => event)).not.toContain('converted');
  });
});

describe('syncbn eval', () => {
  it('recomputes statistics, and corrects them, if requested', async () => {
    const plain = await evaluate('--checkpoint', run);
    const zero = await evaluate('--checkpoint', run, '--eval-correction', '0');
    const corrected = await evaluate('--checkpoint', run, '--eval-correction', 'auto');
    const precise = await evaluate('--checkpoint', run, '--precise-norm', '4');
    expect(zero.testLoss).toBe(plain.testLoss);
    expect(corrected.testLoss).not.toBe(plain.testLoss);
    expect(corrected.weightsHash).toBe(plain.weightsHash);
    expect(precise.weightsHash).not.toBe(plain.weightsHash);
  });

  it('prints metrics as tables and as JSON, and refuses those that do not fit', async () => {
    const metrics = ['--metrics', 'top2,f1,confusion'];
    const found = await evaluate('--checkpoint', run, ...metrics);
    expect(found.metrics.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(found.count);
    expect(found.metrics.f1.macro.f1).toBeGreaterThan(0);
    const { stdout } = await syncbn(['eval', ...data, '--checkpoint', run, ...metrics]);
    expect(stdout).toMatch(/top2 +│ \d+\.\d\d %/);
    expect(stdout).toMatch(/class +│ precision +│ recall +│ F1 +│ samples/);
    const wrong = ['eval', ...data, '--checkpoint', run, '--metrics', 'mae'];
    const { code, stderr } = await syncbn(wrong);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/metric 'mae' of --metrics: expected/),
    ]);
  });

  it('refuses a weight above 1', async () => {
    const args = ['eval', ...data, '--checkpoint', run, '--eval-correction', '2'];
    const { code, stderr } = await syncbn(args);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/evalCorrection: expected .*, got 2/),
    ]);
  });
});

describe('syncbn fold', () => {
  it('writes an equivalent checkpoint, and reports what it folded and kept', async () => {
    const out = join(folder, 'folded.ckpt');
    const args = ['fold', ...data, '--checkpoint', run, '--out', out];
    const { events, code } = await syncbn([...args, '--json']);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({
      event: 'folded',
      folded: [
        { layer: '1.batchNorm', into: '0.conv2d' },
        { layer: '5.batchNorm', into: '4.conv2d' },
      ],
      left: [{ layer: '10.groupNorm' }],
      countInputs: 16,
    });
    const before = await evaluate('--checkpoint', run);
    const after = await evaluate('--checkpoint', out);
    expect(Math.abs(after.testLoss - before.testLoss)).toBeLessThan(1e-5);
    const again = await syncbn(args);
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/would replace/)]);
    const { stdout } = await syncbn([...args, '--overwrite']);
    expect(stdout).toMatch(/1\.batchNorm +│ folded into 0\.conv2d/);
  });

  it('replaces any file with --overwrite, even one that is not a checkpoint', async () => {
    const out = join(folder, 'foreign');
    const args = ['fold', ...data, '--checkpoint', run, '--out', out];
    for (const content of [readFileSync(run), 'notes']) {
      writeFileSync(out, content);
      expect((await syncbn(args)).code).toBe(2);
      const { code, stderr } = await syncbn([...args, '--overwrite']);
      expect([code, stderr]).toEqual([0, '']);
      expect((await syncbn(['inspect', out])).code).toBe(0);
    }
  });

  it('says what it needs, and which difference is too large', async () => {
    const missing = await syncbn(['fold', ...data, '--checkpoint', run]);
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringMatching(/requires --out/)]);
    const out = join(folder, 'never.ckpt');
    const args = ['fold', ...data, '--checkpoint', run, '--out', out, '--tolerance', '0'];
    const strict = await syncbn(args);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toMatch(/outputs of the folded model: expected .*, got "a difference of/);
  });
});
