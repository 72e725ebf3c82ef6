// The program of the README, as it stands there, on all of MNIST.

import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programsOf } from './support/pages.ts';
import { textOf } from './support/sources.ts';

// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../dist/readme-long-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** The loss and accuracy of each epoch. */
function epochsIn(text: string): readonly (readonly [number, number])[] {
  const lines = text.matchAll(/^epoch \d: loss (\d\.\d+), test accuracy (\d\.\d+)$/gm);
  return [...lines].map(([, loss, accuracy]) => [Number(loss), Number(accuracy)]);
}

describe('the program of the README', () => {
  it('prints what is shown, except for digits that vary with the engine', async () => {
    const [program] = programsOf('README.md');
    const path = join(folder, 'first.mjs');
    writeFileSync(path, program!);
    const { stdout } = await promisify(execFile)(process.execPath, [path]);
    const [printed, shown] = [epochsIn(stdout), epochsIn(textOf('README.md'))];
    expect(shown).toHaveLength(3);
    expect(printed).toHaveLength(3);
    for (const [i, [loss, accuracy]] of printed.entries()) {
      expect(Math.abs(loss - shown[i]![0])).toBeLessThan(0.02);
      expect(Math.abs(accuracy - shown[i]![1])).toBeLessThan(0.01);
    }
  });
});
