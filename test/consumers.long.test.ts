// The tarball in every kind of user project: TypeScript with both ways to resolve modules,
// CommonJS, and a Vitest test suite. Skipped if no registry answers.

import { execFile } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answersRegistry, makeProject, packInto } from './support/packedProject.ts';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
const folder = mkdtempSync(join(realpathSync(tmpdir()), 'syncbn-consumers-'));
const project = join(folder, 'project');
afterAll(() => rmSync(folder, { recursive: true }));

const TYPED = `
import { launch } from 'syncbn/collectives';
import { nn, optim, synthetic, Trainer, UsageError } from 'syncbn';
import type { Dataset, TrainerOptions } from 'syncbn';

export async function trained(): Promise<number> {
  const data: Dataset = synthetic({ train: 32, test: 16, shape: [8, 8, 1] });
  const options: TrainerOptions = {
    model: nn.sequential([nn.flatten(), nn.linear(64, 10)]),
    data,
    optimizer: optim.sgd({ lr: 0.1 }),
    replicas: 2,
    replicaBatch: 8,
    workers: 1,
  };
  const trainer = await Trainer.start(options);
  let last = Number.NaN;
  for await (const { loss } of trainer.fit({ epochs: 1 })) last = loss;
  await trainer.close();
  return last;
}

export const sums = (job: URL): Promise<readonly unknown[]> => launch(job, { workers: 2 });
export const isOwn = (error: unknown): error is UsageError => error instanceof UsageError;
`;

const REQUIRED = `
const { nn, optim, synthetic, Trainer } = require('syncbn');
const { launch } = require('syncbn/collectives');
Trainer.start({
  model: nn.sequential([nn.flatten(), nn.linear(64, 10)]),
  data: synthetic({ train: 32, test: 16, shape: [8, 8, 1] }),
  optimizer: optim.sgd({ lr: 0.1 }),
  replicas: 2,
  replicaBatch: 8,
  workers: 1,
}).then((trainer) => trainer.close()).then(() => console.log('trained', typeof launch));
`;

const TESTED = `
import { expect, it } from 'vitest';
const { trained } = await import('./typed.ts');
it('trains', async () => {
  expect(await trained()).toBeGreaterThan(0);
});
`;

async function run(file: string, ...argv: readonly string[]): Promise<string> {
  const ended = await promisify(execFile)(file, argv, { cwd: project }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${ended.stdout}${ended.stderr}`;
}

describe.skipIf(!answersRegistry())('a project that has installed the tarball', () => {
  beforeAll(() => {
    makeProject(project, packInto(folder));
    for (const name of ['typescript', 'vitest', '@types']) {
      symlinkSync(join(modules, name), join(project, 'node_modules', name));
    }
    writeFileSync(join(project, 'typed.ts'), TYPED);
    writeFileSync(join(project, 'required.cjs'), REQUIRED);
    writeFileSync(join(project, 'typed.test.ts'), TESTED);
  }, 120_000);

  it.each([
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ])('compiles with module %s and moduleResolution %s', async (module, moduleResolution) => {
    const tsc = join(modules, 'typescript/bin/tsc');
    const compilerOptions = {
      ...{ module, moduleResolution, target: 'ES2022', types: ['node'] },
      ...{ strict: true, noEmit: true, skipLibCheck: false },
    };
    const config = JSON.stringify({ compilerOptions, files: ['typed.ts'] });
    writeFileSync(join(project, 'tsconfig.json'), config);
    expect(await run(process.execPath, tsc, '-p', '.')).toBe('');
    writeFileSync(join(project, 'wrong.ts'), "import { Trainer } from 'syncbn'; Trainer.start(1);");
    const wrong = JSON.stringify({ compilerOptions, files: ['wrong.ts'] });
    writeFileSync(join(project, 'tsconfig.json'), wrong);
    expect(await run(process.execPath, tsc, '-p', '.')).toContain('error TS2345');
  });

  it('can require it', async () => {
    expect(await run(process.execPath, 'required.cjs')).toBe('trained function\n');
  });

  it('can use it in tests of its own', async () => {
    const vitest = join(modules, 'vitest/vitest.mjs');
    expect(await run(process.execPath, vitest, 'run', 'typed.test.ts')).toMatch(/1 passed/);
  });
});
