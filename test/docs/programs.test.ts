// The programs of pages, as they are printed. Those of the tutorial, the README, collectives,
// direct use, custom layers and JSON models have separate tests; parts of programs are in
// programs.long.test.ts.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nn, optim, synthetic, Trainer } from '../../src/index.ts';
import { PAGES, programsOf, shownAfter } from '../support/pages.ts';

const run = promisify(execFile);
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../../dist/docs-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** The number of programs on each page, including fragments; a test runs each of them. */
const RUN: Readonly<Record<string, number>> = {
  'README.md': 1,
  'docs/collectives.md': 3,
  'docs/custom-layers.md': 4,
  'docs/data.md': 2,
  'docs/direct-use.md': 2,
  'docs/evaluation-gap.md': 1,
  'docs/fine-tuning.md': 1,
  'docs/gradient-accumulation.md': 1,
  'docs/inference.md': 2,
  'docs/model-json.md': 3,
  'docs/non-iid.md': 1,
  'docs/onnx.md': 2,
  'docs/processes.md': 2,
  'docs/report.md': 1,
  'docs/safetensors.md': 1,
  'docs/training.md': 3,
  'docs/tutorial.md': 5,
};

describe('the programs of pages', () => {
  it('are those that tests run', () => {
    const counted = PAGES.map((page) => [page, programsOf(page).length] as const);
    expect(Object.fromEntries(counted.filter(([, count]) => count > 0))).toEqual(RUN);
  });

  it('in docs/non-iid.md print what is shown', async () => {
    const [program] = programsOf('docs/non-iid.md');
    writeFileSync(join(folder, 'shards.mjs'), program!);
    const { stdout } = await run(process.execPath, ['shards.mjs'], { cwd: folder });
    expect(stdout).toBe(shownAfter('docs/non-iid.md', 'node shards.mjs'));
  });

  it('in docs/inference.md serve predictions', async () => {
    const data = synthetic({ train: 32, test: 8, shape: [4, 4, 1] });
    const model = nn.sequential([nn.flatten(), nn.linear(16, 10)]);
    await using trainer = await Trainer.start({ model, data, optimizer: optim.sgd({ lr: 0.1 }) });
    await trainer.save(join(folder, 'run.ckpt'), { overwrite: true });

    const [, program] = programsOf('docs/inference.md');
    const port = 20_000 + (process.pid % 20_000);
    // The page's server says nothing when it listens.
    const started = program!.replace('8080)', "8080, () => console.log('listens'))");
    expect(started).not.toBe(program);
    writeFileSync(join(folder, 'server.mjs'), started);
    const env = { ...process.env, PORT: `${port}` };
    const server = spawn(process.execPath, ['server.mjs'], { cwd: folder, env });
    try {
      await once(server.stdout, 'data');
      const sample = data.test.inputs.slice(0, 16);
      const body = Buffer.from(Float32Array.from(sample).buffer);
      const ask = (text: Buffer) =>
        fetch(`http://localhost:${port}`, { method: 'POST', body: new Uint8Array(text) });
      const outputs = (await (await ask(body)).json()) as number[];
      const expected = await trainer.predict(sample);
      expect(outputs).toHaveLength(10);
      for (const [i, output] of outputs.entries()) expect(output).toBeCloseTo(expected[i]!, 4);
      expect((await ask(body.subarray(4))).status).toBe(400);
    } finally {
      server.kill();
    }
  });
});
