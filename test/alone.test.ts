// The built package in a folder with only some of its dependencies: each use loads only what it
// needs.

import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from './support/cli.ts';
import { ROOT } from './support/sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-alone-'));
afterAll(() => rmSync(folder, { recursive: true }));

const own = join(folder, 'node_modules/syncbn');
for (const part of ['package.json', 'dist']) {
  const filter = (file: string): boolean => !file.endsWith('.map');
  cpSync(join(ROOT, part), join(own, part), { recursive: true, filter });
}
writeFileSync(
  join(folder, 'job.mjs'),
  `export default ({ rank, group }) => group.allReduce(new Float64Array([rank]), 'sum')[0];`,
);

/** Installs packages next to the built one. */
function install(...names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
}

async function runs(program: string): Promise<string> {
  const path = join(folder, 'main.mjs');
  writeFileSync(path, program);
  const { code, stdout, stderr } = await run(process.execPath, [path]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.trim();
}

describe('without any dependency', () => {
  it('both entry points can be imported, and data and models can be made', async () => {
    expect(
      await runs(`import { launch } from 'syncbn/collectives';
        import { nn, synthetic } from 'syncbn';
        const data = synthetic({ train: 4, test: 0, shape: [4, 4, 1], classes: 2 });
        console.log(typeof launch, data.train.count, nn.relu().kind);`),
    ).toBe('function 4 relu');
  });
});

describe('with piscina and comlink alone', () => {
  it('a job of collectives runs, and so does a training', async () => {
    install('piscina', 'comlink');
    expect(
      await runs(`import { launch } from 'syncbn/collectives';
        console.log(await launch(new URL('./job.mjs', import.meta.url), { workers: 2 }));`),
    ).toBe('[ 1, 1 ]');
    const cli = join(own, 'dist/cli.js');
    const train = ['train', '--data', 'synthetic', '--limit', '32', '--model', 'refnet', '--json'];
    const { code, events } = await run(process.execPath, [cli, ...train]);
    expect([code, events.at(-1)!.event]).toEqual([0, 'done']);
    // Only reports need more packages.
    const report = join(folder, 'run.html');
    const reported = await run(process.execPath, [cli, ...train, '--report', report]);
    expect(reported.code).not.toBe(0);
    expect(reported.stderr).toMatch(/@observablehq\/plot|linkedom/);
  });
});
