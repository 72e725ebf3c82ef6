// The README's programs run as they stand there; only the large dataset is replaced by a small one.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/readme-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const programs = [...readme.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]!);

/** The first program that contains this text. */
function programWith(text: string): string {
  const program = programs.find((candidate) => candidate.includes(text));
  if (program === undefined) throw new Error(`The README has no program with ${text}.`);
  return program;
}

describe('the programs of the README', () => {
  it('train a network', async () => {
    const program = programWith('Trainer.start');
    const small = program
      .replace('{ Trainer, mnist,', '{ Trainer, synthetic,')
      .replace('await mnist()', 'synthetic({ train: 512, test: 64, shape: [28, 28, 1] })');
    expect(small).not.toContain('mnist');
    const path = join(folder, 'train.mjs');
    writeFileSync(path, small);
    const { stdout } = await run(process.execPath, [path]);
    expect(stdout).toMatch(/^1 \d+\.\d+ \d+/);
    expect(stdout).toContain('accuracy:');
  });

  it('launch a job', async () => {
    const main = programWith('await launch');
    writeFileSync(join(folder, 'job.js'), programWith('function job'));
    writeFileSync(join(folder, 'main.js'), main);
    const { stdout } = await run(process.execPath, [join(folder, 'main.js')]);
    const [, expected] = /\/\/ (\[.*\])/.exec(main)!;
    expect(stdout.trim()).toBe(expected);
  });

  it('are all run here', () => {
    expect(programs).toHaveLength(3);
  });
});
