import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-lr-find-'));
});
afterAll(() => rm(folder, { recursive: true }));

const tiny = ['lr-find', '--data', 'synthetic', '--limit', '256', '--model', 'refnet'];

describe('syncbn lr-find', () => {
  it('reports each step and the advice, and plots the curve', async () => {
    const out = join(folder, 'page');
    const args = [...tiny, '--steps', '12', '--from', '0.001', '--out', out, '--json'];
    const { code, stderr, events } = await syncbn([...args, '--optimizer', 'lars']);
    expect([code, stderr]).toEqual([0, '']);
    const steps = events.filter(({ event }) => event === 'step');
    const last = events.at(-1)!;
    expect(steps.length).toBe(last.steps);
    expect(steps[0]).toMatchObject({ step: 1, learningRate: 0.001 });
    expect(last).toMatchObject({
      event: 'lr-find',
      askedSteps: 12,
      path: join(out, 'report.html'),
    });
    const html = readFileSync(join(out, 'report.html'), 'utf8');
    for (const text of ['steepest descent', 'smoothed loss', '<svg', 'refnet on synthetic']) {
      expect(html).toContain(text);
    }
    expect(/undefined|>NaN</.test(html)).toBe(false);
  });

  it('refuses flags that do not apply, and rates that do not rise', async () => {
    const schedule = await syncbn([...tiny, '--schedule', 'cosine']);
    expect(schedule.code).toBe(2);
    const out = join(folder, 'none');
    const falling = await syncbn([...tiny, '--from', '1', '--to', '0.1', '--out', out]);
    expect([falling.code, falling.stderr]).toEqual([2, expect.stringContaining('range test')]);
  });
});
