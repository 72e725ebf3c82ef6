// The examples in docstrings of functions, Trainer, groups and loaded models run, in a folder that
// has the files they name.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as syncbn from '../../src/index.ts';
import { publicNames } from '../support/publicNames.ts';

const { exportOnnx, nn, optim, synthetic, Trainer, writeWeights } = syncbn;
// Inside the package, where `syncbn` is its own name.
const folder = fileURLToPath(new URL('../../dist/docstrings-test', import.meta.url));
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
const FILES = /'(run\.ckpt|net\.onnx|(?:net|copy)\.safetensors|sales\.csv|runs\/a)'/g;

const examples = publicNames().flatMap(({ name, example }) =>
  example === undefined || /^(nn|optim|OptimizerBuilders)\./.test(name) ? [] : [[name, example]],
) as [string, string][];

const data = synthetic({ train: 256, test: 64, shape: [8, 8, 1] });
const model = nn.sequential([nn.conv2d(1, 8, { kernel: 3 }), nn.batchNorm(8), nn.flatten()]);
const whole = nn.sequential([model, nn.linear(288, 10)]);
let trainer: syncbn.Trainer;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  const optimizer = optim.sgd({ lr: 0.01 });
  trainer = await Trainer.start({ model: whole, data, optimizer, norm: { to: 'sync' } });
  const path = (name: string): string => join(folder, name);
  await trainer.save(path('run.ckpt'), { overwrite: true });
  const net = { model: whole, inputShape: [8, 8, 1] };
  await writeWeights(path('net.safetensors'), trainer.weights(), net);
  writeFileSync(path('net.onnx'), await exportOnnx(path('run.ckpt')));
  const rows = Array.from({ length: 20 }, (_, i) => `${i},${i * i},${3 * i + 0.5}`);
  writeFileSync(path('sales.csv'), ['area,age,price', ...rows, ''].join('\n'));
});
afterAll(async () => {
  await trainer.close();
  rmSync(folder, { recursive: true });
});

/** A job of `launch`, as a file. */
function jobFile(name: string, code: string): URL {
  const file = join(folder, name);
  writeFileSync(file, `import { normsFor } from 'syncbn';\n${code}\n`);
  return pathToFileURL(file);
}

it.each(examples)('%s', async (name, example) => {
  if (example.startsWith('// job.mjs')) {
    const job = jobFile(`${name}.mjs`, example);
    expect(await syncbn.launch(job, { workers: 2 })).toHaveLength(2);
    return;
  }
  jobFile('job.mjs', 'export default ({ rank }) => rank;');
  const here = pathToFileURL(join(folder, 'main.mjs')).href;
  const code = example
    .replaceAll('import.meta.url', 'here')
    .replace(FILES, (_, file: string) => JSON.stringify(join(folder, file)))
    // No `using` before Node 24.
    .replace(/await using (\w+) = ([^;]*);/, 'const $1 = $2; opened.push($1);');
  const opened: { close(): Promise<void> }[] = [];
  const given = { ...syncbn, data, model: whole, trainer, here, opened };
  const run = new AsyncFunction(...Object.keys(given), `{ ${code} }`);
  await expect(run(...Object.values(given))).resolves.toBeUndefined();
  for (const one of opened) await one.close();
});
