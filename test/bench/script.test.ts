import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-bench-script-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Runs the script with a program in place of npm. */
async function script(npm: string, ...args: readonly string[]): Promise<Output> {
  const file = join(folder, 'npm.mjs');
  writeFileSync(file, npm);
  const options = { cwd: ROOT, env: { ...process.env, npm_execpath: file } };
  try {
    const argv = ['scripts/bench.mjs', ...args];
    return { ...(await promisify(execFile)(process.execPath, argv, options)), code: 0 };
  } catch (error) {
    return error as Output;
  }
}

/** An executable file that prints `version` like a Node. */
function nodeOf(version: string): string {
  const file = join(folder, `node-${version}`);
  writeFileSync(file, `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  return file;
}

describe('the script of the benchmarks', () => {
  it('is what npm run bench runs, with a build', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(scripts.bench).toBe('node scripts/bench.mjs --build');
  });

  it('keeps the output of the build out of stdout', async () => {
    const output = await script("console.log('built')", '--build', 'accuracy', '--fast');
    expect(output).toMatchObject({ stdout: '', code: 1 });
    expect(output.stderr).toMatch(/^built\nUnknown option `--fast`/);
  });

  it('measures nothing if the build failed', async () => {
    const output = await script('process.exit(3)', '--build', 'readme');
    expect(output).toMatchObject({ stdout: '', stderr: '', code: 3 });
  });
});

describe('another Node for the benchmarks', () => {
  it.each([
    { given: '/missing/node', says: /got "\/missing\/node": spawnSync \/missing\/node ENOENT/ },
    { given: '/bin/cat', says: /expected a binary of Node >=20\.19, .* it is not Node/ },
    { given: '', says: /got ""/ },
    { given: nodeOf('20.18.9'), says: /it is Node 20\.18\.9\.$/m },
  ])('is not $given, which is reported before the build', async ({ given, says }) => {
    const output = await script("console.log('built')", '--build', 'train', '--node', given);
    expect(output).toMatchObject({ stdout: '', code: 1 });
    expect(output.stderr).toMatch(says);
    expect(output.stderr).not.toContain('built');
  });

  it('gets all other arguments, and its exit code becomes that of the script', async () => {
    const file = join(folder, 'node');
    const text = `#!/bin/sh\nif [ "$1" = -p ]; then echo 20.19.0; else echo "$@"; exit 5; fi\n`;
    writeFileSync(file, text, { mode: 0o755 });
    const output = await script('', 'train', `--node=${file}`, '--json');
    expect(output.code).toBe(5);
    expect(output.stdout).toMatch(/scripts\/bench\.mjs train --json\n$/);
  });
});
