import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/base/errors.ts';
import type { RunResult } from '../../src/experiments/experiment.ts';
import { keyOf, openResults } from '../../src/experiments/resultsFile.ts';

const OWNER = { experiment: 'small-batch', version: '1.0.0' };

function result(seed: number, error = 0.5): RunResult {
  return {
    settings: { norm: 'sync', seed },
    values: { testError: error, losses: [1, 0.1 + 0.2] },
    timings: { trainMs: 3 },
  };
}

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-results-'));
  path = join(folder, 'results.jsonl');
});
afterEach(() => rm(folder, { recursive: true }));

describe('the file of results', () => {
  it('finds what was kept, with the same bits, whatever the order of the settings', async () => {
    const written = await openResults(folder, OWNER);
    await written.append(result(1));
    await written.append(result(2, 0.1));
    const file = await openResults(folder, OWNER);
    expect(file.notices).toEqual([]);
    expect(file.find({ seed: 1, norm: 'sync' })).toEqual(result(1));
    expect(file.find({ seed: 2, norm: 'sync' })).toEqual(result(2, 0.1));
    expect(file.find({ seed: 3, norm: 'sync' })).toBeUndefined();
  });

  it('keeps the results of other experiments and versions, but does not take them', async () => {
    await (await openResults(folder, OWNER)).append(result(1));
    for (const owner of [
      { ...OWNER, version: '2.0.0' },
      { ...OWNER, experiment: 'precise' },
    ]) {
      expect((await openResults(folder, owner)).find(result(1).settings)).toBeUndefined();
    }
    expect((await openResults(folder, OWNER)).find(result(1).settings)).toBeDefined();
  });

  it('takes off a last line that was cut, and says so', async () => {
    const file = await openResults(folder, OWNER);
    await file.append(result(1));
    await file.append(result(2));
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.slice(0, -10));
    const again = await openResults(folder, OWNER);
    expect(again.notices).toHaveLength(1);
    expect(again.notices[0]).toMatch(/was not whole: its run is done again/);
    expect(again.find(result(1).settings)).toBeDefined();
    expect(again.find(result(2).settings)).toBeUndefined();
    await again.append(result(2));
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(readdirSync(folder)).toEqual(['results.jsonl']);
  });

  it('keeps a file with wrong lines aside, says so, and uses the good ones', async () => {
    await (await openResults(folder, OWNER)).append(result(1));
    const good = readFileSync(path, 'utf8');
    appendFileSync(path, 'not JSON\n{"experiment":"small-batch"}\n');
    const bad = readFileSync(path, 'utf8');
    const again = await openResults(folder, OWNER);
    expect(again.notices[0]).toMatch(/2 of 3 lines of .* kept as .*results\.unreadable-1\.jsonl/);
    expect(again.find(result(1).settings)).toEqual(result(1));
    expect(readFileSync(path, 'utf8')).toBe(good);
    expect(readFileSync(join(folder, 'results.unreadable-1.jsonl'), 'utf8')).toBe(bad);
    appendFileSync(path, 'not JSON\n');
    expect((await openResults(folder, OWNER)).notices[0]).toMatch(/unreadable-2/);
  });

  it('refuses to keep what JSON cannot hold', async () => {
    const file = await openResults(folder, OWNER);
    await expect(file.append(result(1, Number.NaN))).rejects.toThrow(InvariantError);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says which file cannot be read', async () => {
    await mkdir(path);
    await expect(openResults(folder, OWNER)).rejects.toThrow(/results\.jsonl: got "EISDIR/);
  });
});

describe('keyOf', () => {
  it('tells numbers from texts, and settings that differ in one value', () => {
    expect(keyOf({ a: 1, b: null })).toBe(keyOf({ b: null, a: 1 }));
    expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: '1' }));
    expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: 1, b: 2 }));
  });
});
