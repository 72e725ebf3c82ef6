import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-diverged-'));
afterAll(() => rmSync(folder, { recursive: true }));

const model = join(folder, 'tiny.json');
const layers = [{ kind: 'flatten' }, { kind: 'linear', inFeatures: 432, outFeatures: 10 }];
writeFileSync(model, JSON.stringify({ kind: 'sequential', layers }));
const tiny = ['train', '--data', 'synthetic', '--limit', '64', '--model', model, '--norm', 'none'];
const wild = [...tiny, '--replicas', '1', '--workers', '1', '--lr', '1e38', '--max-steps', '3'];

describe('syncbn train that diverges', () => {
  it('fails with exit code 1 and the reason, and keeps the last good checkpoint', async () => {
    const path = join(folder, 'run.ckpt');
    const every = ['--checkpoint', path, '--checkpoint-every', '1'];
    let good: Buffer | undefined;
    const { code, stderr, events } = await syncbn([...wild, ...every, '--json'], (line) => {
      if (line.includes('"checkpoint"')) good = readFileSync(path);
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^syncbn: step 1, layer 1\.linear: its output is not finite/);
    expect(stderr).toMatch(/learning rate 1e\+38, gradient norm NaN/);
    expect(events.at(-1)).toMatchObject({ event: 'error', kind: 'run' });
    expect(events.filter(({ event }) => event === 'checkpoint')).toHaveLength(1);
    expect(readFileSync(path).equals(good!)).toBe(true);
    expect((await syncbn(['inspect', path])).code).toBe(0);
  });

  it('continues with --on-non-finite continue', async () => {
    const { code } = await syncbn([...wild, '--on-non-finite', 'continue']);
    expect(code).toBe(0);
  });
});
