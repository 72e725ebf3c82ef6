// The programs of the README, docs/direct-use.md and docs/custom-layers.md run as they stand there;
// the first one stops early here, test/readme.long.test.ts runs it whole.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch } from '../src/index.ts';

const run = promisify(execFile);
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/readme-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** The JavaScript programs of a page. */
function programsOf(page: string): string[] {
  const text = readFileSync(new URL(`../${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]!);
}

const programs = programsOf('README.md');

/** The first program that contains this text. */
function programWith(text: string): string {
  const program = programs.find((candidate) => candidate.includes(text));
  if (program === undefined) throw new Error(`The README has no program with ${text}.`);
  return program;
}

describe('the programs of the README', () => {
  it('train a network on the first of MNIST', async () => {
    const program = programWith('Trainer.start');
    const short = program.replace('fit({ epochs: 1 })', 'fit({ epochs: 1, maxSteps: 40 })');
    expect(short).not.toBe(program);
    const path = join(folder, 'train.mjs');
    writeFileSync(path, short);
    const { stdout } = await run(process.execPath, [path]);
    expect(stdout).toMatch(/loss \d+\.\d{4}, \d+ images\/s$/m);
    const [, accuracy] = /^test accuracy (\d+\.\d\d) %$/m.exec(stdout)!;
    expect(Number(accuracy)).toBeGreaterThan(60);
  });

  it('launch a job', async () => {
    const main = programWith('await launch');
    writeFileSync(join(folder, 'job.mjs'), programWith('function job'));
    writeFileSync(join(folder, 'main.mjs'), main);
    const { stdout } = await run(process.execPath, [join(folder, 'main.mjs')]);
    const [, expected] = /\/\/ (\[.*\])/.exec(main)!;
    expect(stdout.trim()).toBe(expected);
  });

  it('train on arrays of your own in at most 15 lines, as a tested example does', () => {
    const program = programWith('fromArrays');
    const example = readFileSync(new URL('../examples/07-own-arrays.mjs', import.meta.url), 'utf8');
    expect(example.endsWith(`\n\n${program}`)).toBe(true);
    expect(program.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(15);
  });

  it('are all run here', () => {
    expect(programs).toHaveLength(4);
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
  it('train with a layer, and go on where its module is allowed', async () => {
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
