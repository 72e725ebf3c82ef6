import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';
import { flagsOf, sweepFrom } from '../../src/cli/settings/sweepFlags.ts';
import { syncbn } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-sweep-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Six runs of 2 steps, of which local norms with a batch of 1 leave five. */
const crossed = ['--norm', 'sync,local,group', '--replica-batch', '1,2'];
const length = ['--replicas', '2', '--limit', '8', '--drop-last', '--max-steps', '2'];
const common = ['--data', 'synthetic', '--workers', '1', '--json'];
const sweep = ['sweep', ...crossed, ...length, ...common];

interface Line {
  readonly settings: Readonly<Record<string, string | number>>;
  readonly values: Readonly<Record<string, number>>;
}

function linesIn(out: string): Line[] {
  const text = readFileSync(join(out, 'results.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe('syncbn sweep', () => {
  it('lists all runs and skipped combinations with --dry-run, and does none', async () => {
    const out = join(folder, 'dry');
    const { code, stderr, events } = await syncbn([...sweep, '--dry-run', '--out', out]);
    expect([code, stderr]).toEqual([0, '']);
    const runs = events.filter(({ event }) => event === 'run');
    expect(runs).toHaveLength(5);
    expect(runs[0]!.label).toMatch(
      /^--data synthetic .*--norm sync .*--replica-batch 1 .*--seed 1$/,
    );
    const notices = events.filter(({ event }) => event === 'notice').map(({ text }) => `${text}`);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/Left out: .*--norm local .*--replica-batch 1.* one value per/);
    expect(existsSync(out)).toBe(false);
  });

  it('survives SIGKILL, resumes, and trains as train does', async () => {
    const out = join(folder, 'killed');
    let isSent = false;
    const killed = await syncbn([...sweep, '--out', out], (line, child) => {
      if (isSent || !line.includes('"done":1,')) return;
      isSent = true;
      child.kill('SIGKILL');
    });
    expect(killed.code).toBe(null);
    const before = readFileSync(join(out, 'results.jsonl'), 'utf8');
    expect(linesIn(out).length).toBeLessThan(5);

    const { code, stderr, events } = await syncbn([...sweep, '--out', out, '--jobs', '2']);
    expect([code, stderr]).toEqual([0, '']);
    expect(events.find(({ event }) => event === 'progress')!.done).toBeGreaterThanOrEqual(1);
    expect(events.at(-1)).toMatchObject({ event: 'done', runs: 5, finished: 5 });
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8').startsWith(before)).toBe(true);
    expect(linesIn(out)).toHaveLength(5);
    expect(readdirSync(out).sort()).toEqual([
      'report.html',
      'results.csv',
      'results.jsonl',
      'sweep.svg',
    ]);
    expect(readFileSync(join(out, 'sweep.svg'), 'utf8')).toContain('test error, % by');

    const flags = ['--norm', 'local', '--replica-batch', '2'];
    const trained = await syncbn(['train', ...flags, ...length, ...common]);
    const done = trained.events.find(({ event }) => event === 'done')!;
    const swept = linesIn(out).find(({ settings }) => settings.norm === 'local')!;
    expect(swept.values.testLoss).toBe(done.testLoss);
    expect(swept.values.testError).toBeCloseTo(1 - (done.testAccuracy as number), 12);
  }, 60_000);

  it('refuses what train refuses, naming the run, before any work', async () => {
    const out = join(folder, 'refused');
    const given = ['--norm', 'sync,batch', '--data', 'synthetic', '--out', out];
    const { code, stderr } = await syncbn(['sweep', ...given]);
    expect(stderr).toMatch(/--norm batch is a run that cannot work.*expected sync/);
    expect(code).toBe(2);
    expect(existsSync(out)).toBe(false);
  });
});

describe('sweepFrom', () => {
  it('crosses every list and range, with the other flags in all runs', () => {
    const { crossed, seeds, variants } = sweepFrom(
      new Flags({ norm: 'sync, local', replicas: '1..3', lr: '.1', dropLast: true, seed: '0..2' }),
    );
    expect(crossed).toEqual([
      { name: 'norm', values: ['sync', 'local'] },
      { name: 'replicas', values: ['1', '2', '3'] },
    ]);
    expect(seeds).toEqual([0, 1, 2]);
    expect(variants).toHaveLength(6);
    expect(variants[1]).toEqual({ norm: 'sync', replicas: '2', lr: '.1', 'drop-last': true });
    const run = flagsOf(new Flags({ norm: 'sync,local' }), { ...variants[1], seed: 2 });
    expect([run.text('norm'), run.integer('seed', 0), run.isSet('drop-last')]).toEqual([
      'sync',
      2,
      true,
    ]);
  });

  it.each<[RawFlags, RegExp]>([
    [{}, /has nothing to cross.*--norm sync,local,group/],
    [{ lr: '0.1' }, /has nothing to cross/],
    [{ lr: '0.1,' }, /--lr: expected .*, got "0.1,"/],
    [{ seed: '1..1000001' }, /--seed: expected .*, got "1\.\.1000001"/],
    [{ seed: '1,two' }, /--seed: expected .*, got "two"/],
    [{ seed: '1..1000', replicas: '1..20' }, /runs of the sweep: expected .*, got 20000/],
  ])('refuses %j', (raw, message) => {
    expect(() => sweepFrom(new Flags(raw))).toThrow(message);
  });
});
