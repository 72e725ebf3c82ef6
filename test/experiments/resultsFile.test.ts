import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/base/errors.ts';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { resultWith } from '../../src/experiments/engine/resultSchema.ts';
import { keyOf, openResults, type ResultsFile } from '../../src/experiments/engine/resultsFile.ts';

const OWNER = {
  experiment: 'small-batch',
  version: '1.0.0',
  resultSchema: () => resultWith(['testError'], { losses: 1 }),
};
const ASIDE = 'results.unreadable-1.jsonl';

function result(seed: number, error = 0.5): RunResult {
  return {
    settings: { norm: 'sync', seed },
    values: { testError: error, losses: [1, 0.1 + 0.2] },
    timings: { trainMs: 3 },
  };
}

let folder: string;
let path: string;
const files: ResultsFile[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-results-'));
  path = join(folder, 'results.jsonl');
});
afterEach(async () => {
  for (const file of files.splice(0)) file.close();
  await rm(folder, { recursive: true });
});

/** Closes all open files, then opens the file again. */
async function reopen(owner = OWNER): Promise<ResultsFile> {
  for (const file of files.splice(0)) file.close();
  files.push(await openResults(folder, owner));
  return files[0]!;
}

describe('the file of results', () => {
  it('finds stored results, with the same bits, for any order of the settings', async () => {
    const written = await reopen();
    await written.append(result(1));
    await written.append(result(2, 0.1));
    const file = await reopen();
    expect(file.notices).toEqual([]);
    expect(file.find({ seed: 1, norm: 'sync' })).toEqual(result(1));
    expect(file.find({ seed: 2, norm: 'sync' })).toEqual(result(2, 0.1));
    expect(file.find({ seed: 3, norm: 'sync' })).toBeUndefined();
  });

  it('keeps the results of other experiments and versions, but does not use them', async () => {
    await (await reopen()).append(result(1));
    for (const owner of [
      { ...OWNER, version: '2.0.0' },
      { ...OWNER, experiment: 'precise' },
    ]) {
      expect((await reopen(owner)).find(result(1).settings)).toBeUndefined();
    }
    expect((await reopen()).find(result(1).settings)).toBeDefined();
  });

  it('uses a complete last line without a newline, and continues on a new line', async () => {
    const file = await reopen();
    await file.append(result(1));
    await file.append(result(2));
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.trimEnd());
    const again = await reopen();
    expect(again.notices).toEqual([]);
    expect(again.find(result(2).settings)).toEqual(result(2));
    await again.append(result(3));
    expect(readFileSync(path, 'utf8').startsWith(text)).toBe(true);
    expect((await reopen()).find(result(3).settings)).toEqual(result(3));
  });

  it('sets a truncated last line aside, and says so', async () => {
    const file = await reopen();
    await file.append(result(1));
    await file.append(result(2));
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.slice(0, -10));
    const again = await reopen();
    expect(again.notices[0]).toMatch(/1 of 2 lines .*kept as .*unreadable-1.*done again/);
    expect(readFileSync(join(folder, ASIDE), 'utf8')).toBe(text.slice(0, -10));
    expect(again.find(result(1).settings)).toBeDefined();
    expect(again.find(result(2).settings)).toBeUndefined();
    await again.append(result(2));
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('sets a file with invalid lines aside, byte for byte, and uses the valid ones', async () => {
    await (await reopen()).append(result(1));
    const good = readFileSync(path, 'utf8');
    appendFileSync(path, Buffer.from('not JSON \xff\n{"experiment":"small-batch"}\n', 'latin1'));
    const bad = readFileSync(path);
    const again = await reopen();
    expect(again.notices[0]).toMatch(/2 of 3 lines of .* kept as .*results\.unreadable-1\.jsonl/);
    expect(again.find(result(1).settings)).toEqual(result(1));
    expect(readFileSync(path, 'utf8')).toBe(good);
    expect(readFileSync(join(folder, ASIDE))).toEqual(bad);
    appendFileSync(path, 'not JSON\n');
    expect((await reopen()).notices[0]).toMatch(/unreadable-2/);
  });

  it.each([
    ['a number', { losses: [1] }, { trainMs: 3 }],
    ['a list', { testError: 1, losses: 1 }, { trainMs: 3 }],
    ['the whole of a list', { testError: 1, losses: [] }, { trainMs: 3 }],
    ['a time', { testError: 1, losses: [1] }, {}],
  ])('repeats a run if its line lacks %s', async (_, values, timings) => {
    const { settings } = result(1);
    const { experiment, version } = OWNER;
    const lines = [
      { experiment, version, settings, values, timings },
      { experiment, version: '0.9.0', settings, values, timings },
    ].map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(path, lines.join(''));
    const file = await reopen();
    expect(file.notices[0]).toMatch(/1 of 2 lines .* cannot be used/);
    expect(file.find(settings)).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe(lines[1]);
  });

  it('refuses to store what JSON cannot represent', async () => {
    const file = await reopen();
    await expect(file.append(result(1, Number.NaN))).rejects.toThrow(InvariantError);
    expect(existsSync(path)).toBe(false);
  });

  it('says which file cannot be read, and does not keep it locked', async () => {
    await mkdir(path);
    for (let i = 0; i < 2; i++) {
      await expect(openResults(folder, OWNER)).rejects.toThrow(
        /results\.jsonl: expected .*, got "EISDIR/,
      );
    }
    expect(readdirSync(folder)).toEqual(['results.jsonl']);
  });

  it('belongs to one process at a time', async () => {
    await reopen();
    await expect(openResults(folder, OWNER)).rejects.toThrow(
      `--out ${folder} is in use by process ${process.pid} of host ${hostname()}`,
    );
    for (const file of files.splice(0)) file.close();
    expect(readdirSync(folder)).toEqual([]);
    await reopen();
  });
});

describe('keyOf', () => {
  it('distinguishes numbers from text, and settings that differ in one value', () => {
    expect(keyOf({ a: 1, b: null })).toBe(keyOf({ b: null, a: 1 }));
    expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: '1' }));
    expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: 1, b: 2 }));
  });
});
