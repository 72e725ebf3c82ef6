import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../examples', import.meta.url));

/** The folder that examples write to. */
const written = mkdtempSync(join(tmpdir(), 'syncbn-examples-'));
afterAll(() => rmSync(written, { recursive: true }));

/** Each example and the required text in its output. */
const EXAMPLES: readonly (readonly [string, readonly RegExp[]])[] = [
  [
    '01-train-mnist.mjs',
    [/test accuracy \d\d\.\d % of 10000 digits/, /@@/, /predicted \d, label 7$/m],
  ],
  [
    '02-own-training-loop/main.mjs',
    [/^ {2}40( +0\.\d{12}){3}$/m, /difference from one worker: \d\.\de-(0[89]|1\d)$/m],
  ],
  [
    '03-uneven-shards.mjs',
    [
      /last one: 1,1,1,1,1,0,0,0$/m,
      /^sync +8 +2 .* 0\.0e\+0$/m,
      /^1 and 2 workers have equal weights: true$/m,
    ],
  ],
  ['04-own-layer/main.mjs', [/^5\.custom\.slope:( \d\.\d\d){8}$/m, /2 workers: true$/m]],
  ['05-checkpoint-and-resume.mjs', [/stopped 2, step 24:/, /^equal, bit for bit: true$/m]],
  // The same centers on 1 and on 4 threads.
  ['06-k-means.mjs', [/^1 threads, \d+ rounds: (centers( -?\d\.\d{3}){8})\n4 threads, .*: \1$/m]],
  ['07-own-arrays.mjs', [/^9: 0\.\d{3}, validation 0\.\d{3}$/m, /^test accuracy 0\.9\d*$/m]],
  // The same losses on 1 and on 2 workers.
  ['08-tensorflow-js/main.mjs', [/^1 worker.*\n2 worker.*\nlargest .*: (0\.0e\+0|\d\.\de-[78])$/m]],
];

async function run(example: string): Promise<string> {
  // A failing exit code rejects, with what the example has written.
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, example)], {
    env: { ...process.env, EXAMPLE_SIZE: 'small' },
    timeout: 50_000,
    cwd: written,
  });
  return stdout;
}

describe('the examples', () => {
  it.each(EXAMPLES)('%s runs to its end and prints its result', async (example, expected) => {
    const output = await run(example);
    for (const line of expected) expect(output).toMatch(line);
  });

  it('are all tested, and all listed in their README', () => {
    const mains = readdirSync(folder)
      .filter((name) => name !== 'README.md')
      .map((name) => (existsSync(join(folder, name, 'main.mjs')) ? `${name}/main.mjs` : name));
    expect(mains.sort()).toEqual(EXAMPLES.map(([example]) => example));
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const main of mains) expect(readme).toContain(`node examples/${main}`);
  });
});
