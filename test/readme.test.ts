// The programs of the README, docs/collectives.md, docs/direct-use.md and docs/custom-layers.md run
// as they are printed; the README's stops early here, test/readme.long.test.ts runs it whole.

import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch } from '../src/index.ts';
import { programsOf } from './support/pages.ts';
import { textOf } from './support/sources.ts';

const run = promisify(execFile);
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/readme-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the README', () => {
  const [program, ...others] = programsOf('README.md');

  it('is less than 200 lines, and has one program of at most 15 lines', () => {
    expect(textOf('README.md').split('\n').length).toBeLessThan(200);
    expect(others).toEqual([]);
    expect(program!.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(15);
  });

  it('has a program that trains on MNIST and prints lines like those shown', async () => {
    const short = program!
      .replace('import { Trainer,', 'import { limitTrain, Trainer,')
      .replace('await mnist()', 'limitTrain(await mnist(), 1024)')
      .replace('epochs: 3', 'epochs: 1');
    const path = join(folder, 'train.mjs');
    writeFileSync(path, short);
    const { stdout } = await run(process.execPath, [path]);
    const line = /^epoch 1: loss \d\.\d{3}, test accuracy 0\.\d+\n/m;
    expect(textOf('README.md')).toMatch(line);
    expect(stdout).toMatch(line);
    expect(Number(stdout.trim().split(' ').at(-1))).toBeGreaterThan(0.5);
  });
});

describe('the programs of docs/collectives.md', () => {
  it('launch a job', async () => {
    const [job, main] = programsOf('docs/collectives.md');
    writeFileSync(join(folder, 'job.mjs'), job!);
    writeFileSync(join(folder, 'main.mjs'), main!);
    const { stdout } = await run(process.execPath, [join(folder, 'main.mjs')]);
    const [, expected] = /\/\/ (\[.*\])/.exec(main!)!;
    expect(stdout.trim()).toBe(expected);
  });
});

describe('the program of docs/training.md', () => {
  it('is a tested example', () => {
    const example = textOf('examples/07-own-arrays.mjs');
    expect(example.endsWith(`\n\n${programsOf('docs/training.md')[0]}`)).toBe(true);
  });
});

describe('the jobs of docs/direct-use.md', () => {
  it('normalizes by statistics of all ranks', async () => {
    const [job, , ...others] = programsOf('docs/direct-use.md');
    expect(others).toEqual([]);
    const path = join(folder, 'direct.mjs');
    writeFileSync(path, job!);
    const [zero, one] = (await launch(pathToFileURL(path), { workers: 2 })) as Float32Array[];
    // Running statistics after one step with momentum 0.1: the first channel's values are 0, 1, 2
    // and 1, 2, 3, so their mean is 1.5 and their unbiased variance 1.1.
    const evaluated = (x: number): number => (x - 0.15) / Math.sqrt(0.9 + 0.11 + 1e-5);
    for (const [rank, y] of [zero!, one!].entries()) {
      for (const i of [0, 1, 2]) expect(y[2 * i]).toBeCloseTo(evaluated(rank + i), 5);
    }
  });

  it('differentiates a gradient penalty', async () => {
    const path = join(folder, 'penalty.mjs');
    writeFileSync(path, programsOf('docs/direct-use.md')[1]!);
    const found = await launch<Record<string, Float32Array>>(pathToFileURL(path), { workers: 2 });
    const all = (name: string) => found.flatMap((rank) => [...rank[name]!]);
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const penalty = dot(all('dx'), all('dx'));
    // The penalty is quadratic in dy and in the weight of 1, so dy times its gradient is twice it.
    expect(dot(all('dyGrad'), all('dy'))).toBeCloseTo(2 * penalty, 5);
    expect(all('weightGrad').reduce((a, b) => a + b)).toBeCloseTo(2 * penalty, 5);
    // It does not change when all inputs move alike.
    expect(all('xGrad').reduce((a, b) => a + b)).toBeCloseTo(0, 5);
  });
});

describe('the programs of docs/custom-layers.md', () => {
  it('train with a layer, and continue if its module is allowed', async () => {
    for (const program of programsOf('docs/custom-layers.md')) {
      const [, name] = /^\/\/ (\S+\.mjs)\n/.exec(program)!;
      writeFileSync(join(folder, name!), program);
    }
    const options = { cwd: folder };
    await run(process.execPath, ['train.mjs'], options);
    const { stdout } = await run(process.execPath, ['resume.mjs'], options);
    const [refusal, reached] = stdout.trim().split('\n');
    expect(refusal).toContain('modules that are not allowed: file://');
    expect(refusal).toContain('leaky.mjs. Try: allowModules');
    expect(reached).toBe('goes on after step 4');
  });
});
