// The first program of the README, as it stands there, on all of MNIST.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/readme-long-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the first program of the README', () => {
  it('ends above 98 % after one epoch, and so does what the page shows', async () => {
    const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, program] = /```js\n(import \{ Trainer.*?)```/s.exec(page)!;
    const path = join(folder, 'first.mjs');
    writeFileSync(path, program!);
    const { stdout } = await promisify(execFile)(process.execPath, [path]);
    const accuracyIn = (text: string): number =>
      Number(/^test accuracy (\d+\.\d\d) %$/m.exec(text)![1]);
    expect(accuracyIn(stdout)).toBeGreaterThan(98);
    // The digits of one seed vary with the engine's multiply-adds.
    expect(accuracyIn(page)).toBeGreaterThan(98);
  });
});
