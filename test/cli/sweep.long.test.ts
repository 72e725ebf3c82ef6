import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { syncbn } from '../support/cli.ts';

it('a sweep of 24 runs survives SIGKILL and resumes, with uninterrupted numbers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'syncbn-sweep-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const crossed = ['--norm', 'sync,local,group', '--replica-batch', '2,4', '--lr', '0.01,0.1'];
  const length = ['--replicas', '2', '--limit', '8', '--drop-last', '--max-steps', '2'];
  const sweep = ['sweep', ...crossed, '--seed', '1,2', ...length, '--data', 'synthetic', '--json'];
  const resultsIn = (out: string): string[] => {
    const text = readFileSync(join(folder, out, 'results.jsonl'), 'utf8');
    return text.trimEnd().split('\n');
  };
  /** What was measured, without the times, in any order. */
  const numbersIn = (out: string): string[] =>
    resultsIn(out)
      .map((line) => JSON.parse(line) as { settings: object; values: object })
      .map(({ settings, values }) => JSON.stringify([settings, values]))
      .sort();

  let isSent = false;
  const killed = await syncbn([...sweep, '--out', join(folder, 'a')], (line, child) => {
    if (isSent || !line.includes('"done":7,')) return;
    isSent = true;
    child.kill('SIGKILL');
  });
  expect(killed.code).toBe(null);
  const before = resultsIn('a');
  expect(before.length).toBeGreaterThanOrEqual(7);
  expect(before.length).toBeLessThan(24);
  const whole = await syncbn([...sweep, '--out', join(folder, 'a')]);
  expect(whole.events.at(-1)).toMatchObject({ event: 'done', runs: 24, finished: 24 });
  expect(resultsIn('a').slice(0, before.length)).toEqual(before);
  const other = await syncbn([...sweep, '--out', join(folder, 'b'), '--jobs', '2']);
  expect([other.code, other.stderr]).toEqual([0, '']);
  expect(numbersIn('b')).toEqual(numbersIn('a'));
}, 120_000);
