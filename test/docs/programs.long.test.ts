// The parts of programs on pages, each after what the page assumes: a model, data, a trainer.

import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { programsOf } from '../support/pages.ts';

const folder = fileURLToPath(new URL('../../dist/docs-long-test', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** Names that parts of programs use without defining them. */
const GIVEN = `
import * as syncbn from 'syncbn';
const { synthetic } = syncbn;
const data = synthetic({ train: 64, test: 32, shape: [8, 8, 1] });
const optimizer = syncbn.optim.sgd({ lr: 0.05 });
const conv = (c, to) => syncbn.nn.conv2d(c, to, { kernel: 3, padding: 1 });
const layers = (...last) => syncbn.nn.sequential([
  conv(1, 4), syncbn.nn.batchNorm(4), syncbn.nn.relu(),
  conv(4, 4), syncbn.nn.batchNorm(4), syncbn.nn.relu(),
  syncbn.nn.flatten(), ...last,
]);
`;
const MODEL = 'const model = layers(syncbn.nn.linear(256, 10));\n';
const STARTED = `${MODEL}const trainer = await syncbn.Trainer.start({ model, data, optimizer });\n`;
const SAVED = `await trainer.save('run.ckpt', { overwrite: true });\n`;
const CLOSED = 'await trainer.close();\n';
const FITTED = 'for await (const p of trainer.fit({ epochs: 1 })) void p;\n';

interface Part {
  readonly page: string;
  readonly index: number;
  readonly before: string;
  readonly after?: string;
  /** Replaced in the program, since the page names files or data of the reader's. */
  readonly with?: readonly (readonly [string, string])[];
}

const PARTS: readonly Part[] = [
  {
    page: 'data',
    index: 0,
    before: `const { nn, Trainer } = syncbn;
const model = nn.sequential([nn.flatten(), nn.linear(192, 10)]);
const query = async (from, count) => ({
  pixels: new Uint8Array(192 * count).map((_, i) => from + i),
  labels: new Int32Array(count).map((_, i) => (from + i) % 10),
});
const test = { count: 0, inputs: new Uint8Array(0), targets: new Int32Array(0) };\n`,
    after: `${FITTED}${CLOSED}`,
    with: [
      ['const data =', 'const rows ='],
      ['model, data,', 'model, data: rows,'],
      ['[64, 64, 3]', '[8, 8, 3]'],
      ['5_000_000', '3000'],
      ['100_000', '1000'],
    ],
  },
  {
    page: 'data',
    index: 1,
    before: `const { fromIterable, nn, Trainer } = syncbn;
const model = nn.sequential([nn.flatten(), nn.linear(64, 10)]);
async function* queryAll() {
  for (let i = 0; i < 3; i++) {
    yield { pixels: new Float32Array(64000).fill(i), labels: new Int32Array(1000).fill(i) };
  }
}\n`,
    after: `for await (const p of streamed.fit({ epochs: 1 })) void p;\nawait streamed.close();\n`,
    with: [['5_000_000', '3000']],
  },
  { page: 'evaluation-gap', index: 0, before: STARTED + FITTED, after: CLOSED },
  {
    page: 'fine-tuning',
    index: 0,
    before: `${STARTED.replaceAll('trainer', 'other')}
await other.save('pretrained.ckpt', { overwrite: true });
await other.close();
const { Trainer, optim } = syncbn;\n`,
    after: CLOSED,
    with: [["'6.*'", "'7.*'"]],
  },
  {
    page: 'gradient-accumulation',
    index: 0,
    before: `${MODEL}const { Trainer } = syncbn;\n`,
    after: `if (trainer.memory.microBatches !== 8) throw new Error('not in 8 parts');\n${CLOSED}`,
    with: [['globalBatch: 256', 'globalBatch: 64']],
  },
  {
    page: 'inference',
    index: 0,
    before: `{\n${STARTED}${SAVED}${CLOSED}}\nconst inputs = data.test.inputs.slice(0, 128);\n`,
    after: 'if (outputs.length !== 20) throw new Error(outputs.length);\n',
  },
  {
    page: 'onnx',
    index: 0,
    before: `${STARTED}${SAVED}const { exportOnnx } = syncbn;\n`,
    after: CLOSED,
    with: [['[32, 32, 3]', '[8, 8, 1]']],
  },
  {
    page: 'onnx',
    index: 1,
    before: `import { writeFileSync } from 'node:fs';
const { exportOnnx, importOnnx, nn, Trainer } = syncbn;
{
  ${STARTED}
  const weights = trainer.weights();
  writeFileSync('net.onnx', await exportOnnx({ model, weights, inputShape: [8, 8, 1] }));
  ${CLOSED}
}\n`,
    after: CLOSED,
    with: [['[48, 192, 3]', '[8, 8, 1]']],
  },
  {
    page: 'processes',
    index: 0,
    before: `${MODEL}const { Trainer } = syncbn;\n`,
    after: CLOSED,
    with: [[`save('run.ckpt')`, `save('run.ckpt', { overwrite: true })`]],
  },
  { page: 'report', index: 0, before: STARTED, after: CLOSED },
  {
    page: 'safetensors',
    index: 0,
    before: `const { nn: given } = syncbn;
const data64 = synthetic({ train: 16, test: 8, shape: [64, 64, 3] });
{
  const inputShape = [64, 64, 3];
  const model = given.namedModel('resnet18', { inputShape, classes: 10 });
  const own = await syncbn.Trainer.start({ model, data: data64, optimizer, globalBatch: 8 });
  await syncbn.writeWeights('resnet18.safetensors', own.weights(), { model, inputShape });
  await own.close();
}\n`,
    after: CLOSED,
    with: [
      ['Trainer.start({ model, data,', 'Trainer.start({ model, data: data64, globalBatch: 8,'],
    ],
  },
  {
    page: 'training',
    index: 1,
    before: `${MODEL}const controller = new AbortController();
const trainer = await syncbn.Trainer.start({ model, data, optimizer, validationSplit: 0.25 });\n`,
    after: CLOSED,
    with: [
      ['epochs: 50', 'epochs: 3'],
      [`save('best.ckpt')`, `save('best.ckpt', { overwrite: true })`],
    ],
  },
  {
    page: 'training',
    index: 2,
    before: `const { nn, optim, Trainer } = syncbn;
const model = nn.graph((x) => {
  const flat = x.apply(nn.flatten());
  return { main: flat.apply(nn.linear(64, 10)), aux: flat.apply(nn.linear(64, 10)) };
});
const inputs = data.test.inputs.slice(0, 128);\n`,
    after: CLOSED,
    with: [['epochs: 10', 'epochs: 2']],
  },
];

it.each(PARTS)('part $index of the page $page runs', async (part) => {
  const { page, index, before, after = '', with: replaced = [] } = part;
  let program = programsOf(`docs/${page}.md`)[index]!;
  for (const [from, to] of replaced) {
    expect(program).toContain(from);
    program = program.replaceAll(from, to);
  }
  const place = join(folder, `${page}-${index}`);
  mkdirSync(place);
  writeFileSync(join(place, 'program.mjs'), `${GIVEN}${before}${program}${after}`);
  const running = promisify(execFile)(process.execPath, ['program.mjs'], { cwd: place });
  await expect(
    running.then(
      () => 'ran',
      ({ stderr }) => stderr,
    ),
  ).resolves.toBe('ran');
});
