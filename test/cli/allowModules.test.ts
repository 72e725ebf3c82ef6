// Code that is named by data: a checkpoint or a model in JSON runs no module without permission,
// and never a module that is neither a file: URL nor a package. The module of these tests leaves a
// mark when it runs.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { syncbn } from '../support/cli.ts';
import { oldCheckpointFile } from '../support/oldCheckpoint.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-modules-'));
const mark = join(folder, 'mark');
const file = join(folder, 'layer.mjs');
const module = pathToFileURL(file).href;
const run = join(folder, 'run.ckpt');
const forged = join(folder, 'forged.ckpt');
const json = join(folder, 'model.json');
const marks = `(await import('node:fs')).writeFileSync(${JSON.stringify(mark)}, '');`;
const data = ['--data', 'synthetic', '--limit', '32', '--workers', '1', '--epochs', '1'];
const size = ['--replicas', '2', '--replica-batch', '8'];
const layer = `${marks}
export default ({ gain }) => ({
  outputShape: (input) => input,
  forward: ({ x, y }) => { for (let i = 0; i < x.length; i++) y[i] = gain * x[i]; },
  backward: ({ dy, dx }) => { if (dx) for (let i = 0; i < dx.length; i++) dx[i] = gain * dy[i]; },
});
`;

const set = synthetic();
const features = set.inputShape.reduce((product, length) => product * length, 1);
const classes = set.task.kind === 'classification' ? set.task.classes : 1;
const modelOf = (name: string) => ({
  kind: 'sequential',
  layers: [
    { kind: 'flatten' },
    { kind: 'custom', module: name, options: { gain: 2 } },
    { kind: 'linear', inFeatures: features, outFeatures: classes },
  ],
});

let saved: Checkpoint;

beforeAll(async () => {
  writeFileSync(file, layer);
  writeFileSync(json, JSON.stringify(modelOf(module)));
  const train = ['train', '--model', json, '--allow-modules', ...data, ...size];
  const { code, stderr } = await syncbn([...train, '--checkpoint', run, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  expect(existsSync(mark)).toBe(true);
  saved = await readCheckpoint(run);
});
beforeEach(() => rmSync(mark, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const USES: readonly (readonly [string, readonly string[]])[] = [
  ['train --resume', ['train', '--resume', run, ...data.slice(0, -1), '2']],
  ['eval', ['eval', '--checkpoint', run, ...data.slice(0, 6)]],
  [
    'fold',
    ['fold', '--checkpoint', run, '--out', join(folder, 'folded.ckpt'), ...data.slice(0, 6)],
  ],
  ['export', ['export', run, '--to', join(folder, 'net.safetensors')]],
  ['train --model', ['train', '--model', json, ...data, ...size]],
];

describe('a module that is named only by data', () => {
  it('is listed by inspect, which runs nothing', async () => {
    const { code, events } = await syncbn(['inspect', run, '--json']);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ modules: [module], memoryBytes: null });
    expect(existsSync(mark)).toBe(false);
  });

  it.each(USES)('is refused by %s, which names it', async (_name, args) => {
    const { code, stderr } = await syncbn(args);
    expect(code).toBe(2);
    expect(stderr).toContain(`modules that are not allowed: ${module}`);
    expect(stderr).toContain('--allow-modules');
    expect(stderr).toContain('docs/custom-layers.md');
    expect(existsSync(mark)).toBe(false);
  });

  it.each(USES)('runs in %s with --allow-modules', async (_name, args) => {
    const { code, stderr } = await syncbn([...args, '--allow-modules']);
    expect([code, stderr]).toEqual([0, '']);
    expect(existsSync(mark)).toBe(true);
  });

  it('runs if its URL or path is in the list, and not otherwise', async () => {
    const evaluate = ['eval', '--checkpoint', run, ...data.slice(0, 6), '--allow-modules'];
    expect((await syncbn([...evaluate, `a-package,${module}`])).code).toBe(0);
    expect((await syncbn([...evaluate, file])).code).toBe(0);
    rmSync(mark, { force: true });
    const other = await syncbn([...evaluate, 'a-package,./other.mjs']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain(module);
    expect(existsSync(mark)).toBe(false);
  });
});

describe('options of a custom layer', () => {
  it('survive a checkpoint bit for bit', async () => {
    const options = {
      gain: 1,
      numbers: [5e-324, Number.MAX_VALUE, -0.1, 0.1 + 0.2, 2 ** 53, 2 ** 32, -(2 ** 63), 1e21],
      texts: ['', '\u2028 \u00e9 \u{1f600} \0', { '': null, a: [[], {}, true] }],
    };
    const layers = [flatten(), custom(pathToFileURL(file), options), linear(features, classes)];
    const common = { data: set, workers: 1 };
    const model = sequential(layers);
    const begun = await Trainer.start({ ...common, model, optimizer: sgd({ lr: 0.1 }) });
    const path = join(folder, 'options.ckpt');
    await begun.save(path);
    await begun.close();
    const resumed = await Trainer.resume(path, common);
    await resumed.close();
    expect(resumed.config.model).toStrictEqual(model);
  });
});

describe('a module that is neither a file: URL nor a package', () => {
  const sources = [
    `data:text/javascript,${encodeURIComponent(layer)}`,
    file,
    './layer.mjs',
    '../layer.mjs',
    'some-package/../../layer.mjs',
    'node:fs',
    'fs',
    'https://example.invalid/layer.mjs',
    'blob:nodedata:1',
  ];

  it.each(sources)('is refused everywhere, whatever is allowed: %s', async (source) => {
    const model = modelOf(source);
    const checkpoint = { ...saved, model };
    writeFileSync(forged, oldCheckpointFile(checkpoint));
    const options = { data: set, workers: 1, allowModules: true as const };
    const refused = /module of a custom layer: expected a file: URL, or the name of a.*, got /;
    await expect(Trainer.resume(forged, options)).rejects.toThrow(refused);
    await expect(Trainer.resume(checkpoint, options)).rejects.toThrow(refused);
    expect(existsSync(mark)).toBe(false);
  });

  it('is refused by the command: inspect, eval, and a model in JSON', async () => {
    const model = modelOf(sources[0]!);
    writeFileSync(forged, oldCheckpointFile({ ...saved, model }));
    const forgedJson = join(folder, 'forged.json');
    writeFileSync(forgedJson, JSON.stringify(model));
    const commands = [
      ['inspect', forged],
      ['eval', '--checkpoint', forged, '--allow-modules', ...data.slice(0, 6)],
      ['train', '--model', forgedJson, '--allow-modules', ...data, ...size],
    ];
    for (const command of commands) {
      const { code, stderr } = await syncbn(command);
      expect(code).toBe(2);
      expect(stderr).toContain('expected a file: URL, or the name of a package');
    }
    expect(existsSync(mark)).toBe(false);
  });
});
