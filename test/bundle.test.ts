// Programs that a bundler made from this package: they cannot contain its threads, and an error
// says so.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
// Outside this package, with the package among its dependencies.
const folder = mkdtempSync(join(realpathSync(tmpdir()), 'syncbn-bundle-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'syncbn'));
afterAll(() => rmSync(folder, { recursive: true }));

const TRAIN = `
  import { nn, synthetic, Trainer } from 'syncbn';
  const model = nn.sequential([nn.flatten(), nn.linear(64, 10)]);
  const data = synthetic({ train: 32, test: 16, shape: [8, 8, 1] });
  const optimizer = { kind: 'sgd', lr: 0.1 };
  Trainer.start({ model, data, optimizer, replicas: 1, replicaBatch: 16, workers: 1 }).then(
    (trainer) => trainer.close().then(() => console.log('trained')),
    ({ name, message }) => console.log(name + ': ' + message),
  );
`;
const LAUNCH = `
  import { launch } from 'syncbn/collectives';
  launch('job.mjs').catch(({ name, message }) => console.log(name + ': ' + message));
`;
const MNIST = `
  import { mnist } from 'syncbn';
  mnist().catch(({ name, message }) => console.log(name + ': ' + message));
`;

/** The output of a bundled program. */
async function outputOf(program: string, options: BuildOptions): Promise<string> {
  const outfile = join(folder, options.format === 'cjs' ? 'out.cjs' : 'out.mjs');
  const stdin = { contents: program, resolveDir: folder };
  const log = { logLevel: 'error' } as const;
  await build({ stdin, bundle: true, platform: 'node', outfile, ...log, ...options });
  const { stdout } = await promisify(execFile)(process.execPath, [outfile], { cwd: folder });
  return stdout;
}

function expectAdvice(output: string): void {
  expect(output).toMatch(/^UsageError: syncbn cannot run from a bundle, since its threads /);
  expect(output).toContain('--external:syncbn (esbuild)');
  expect(output).toContain('ssr.external and optimizeDeps.exclude (vite)');
}

describe('a bundled program', () => {
  for (const format of ['esm', 'cjs'] as const) {
    it.each([
      ['trains', TRAIN],
      ['launches a job', LAUNCH],
    ])(`in ${format} that %s is told to keep the package external`, async (_what, program) => {
      expectAdvice(await outputOf(program, { format }));
    });
  }

  it('in cjs, which cannot look for packages, gets the same error from data', async () => {
    expectAdvice(await outputOf(MNIST, { format: 'cjs' }));
  });

  it('works if the package is external', async () => {
    expect(await outputOf(TRAIN, { format: 'esm', external: ['syncbn'] })).toBe('trained\n');
  });
});
