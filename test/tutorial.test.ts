// docs/tutorial.md, step by step: its programs and commands as they stand there, and their output.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shownAfter } from './support/pages.ts';
import { textOf } from './support/sources.ts';

const run = promisify(execFile);
const page = textOf('docs/tutorial.md');
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/tutorial-test', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

const programs = new Map(
  [...page.matchAll(/```js\n(\/\/ (\S+\.mjs).*?)```/gs)].map((match) => [match[2]!, match[1]!]),
);
const shown = (command: string): string => shownAfter('docs/tutorial.md', command);

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const [name, program] of programs) writeFileSync(join(folder, name), program);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function node(...argv: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, argv, { cwd: folder });
  return stdout;
}

it('has a program for each step', () => {
  const names = ['ask.mjs', 'bars.mjs', 'onnx.mjs', 'server.mjs', 'train.mjs'];
  expect([...programs.keys()].sort()).toEqual(names);
});

it('trains, serves, exports, and gets the same answers from ONNX Runtime', async () => {
  const lines = (await node('train.mjs')).split('\n');
  const expected = shown('node train.mjs').split('\n');
  expect(lines).toHaveLength(expected.length);
  expect(lines.at(-2)).toBe(expected.at(-2));
  for (const line of lines.slice(0, -2)) {
    expect(line).toMatch(/^epoch \d: loss 0\.\d{3}, validation accuracy \d+\.\d %$/);
  }

  const env = { ...process.env, PORT: '0' };
  const server = spawn(process.execPath, ['server.mjs'], { cwd: folder, env });
  try {
    const [started] = (await once(server.stdout, 'data')) as [Buffer];
    const [, port] = /^port (\d+)\n$/.exec(started.toString())!;
    const asked = await run(process.execPath, ['ask.mjs'], {
      cwd: folder,
      env: { ...process.env, PORT: port },
    });
    expect(asked.stdout).toBe(shown('node ask.mjs'));
  } finally {
    server.kill();
  }

  const argv = /npx syncbn (export .*)/.exec(page)![1]!.split(' ');
  expect(await node(cli, ...argv)).toBe(shown(`npx syncbn ${argv.join(' ')}`));
  expect(await node('onnx.mjs')).toBe(shown('node onnx.mjs'));
});
