// What the command says about models: by name, layer by layer, and as JSON.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type ModelSummary, summarize } from '../../src/cli/commands/modelSummary.ts';
import { prettyJson } from '../../src/cli/output/prettyJson.ts';
import { askedModel } from '../../src/cli/settings/askedModel.ts';
import { Flags } from '../../src/cli/settings/flags.ts';
import { nn } from '../../src/index.ts';
import { MODEL_NAMES, type ModelName, modelCard } from '../../src/nn/models/models.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-models-'));
afterAll(() => rmSync(folder, { recursive: true }));

const summaryOf = async (model: string | undefined, flags: Record<string, string> = {}) =>
  summarize(await askedModel('summary', new Flags({}).with(flags), model));

describe('syncbn models', () => {
  it('has a line for each, with its default input and parameters', async () => {
    const { code, events } = await syncbn(['models', '--json']);
    expect(code).toBe(0);
    const { models } = events[0] as { models: { name: ModelName }[] };
    expect(models.map(({ name }) => name)).toEqual(MODEL_NAMES);
    for (const model of models) {
      const { description, purpose } = modelCard(model.name);
      expect(model).toMatchObject({ description, ...purpose });
      expect(description.length).toBeLessThanOrEqual(60);
    }
    // That of He et al. 2016 with projections.
    expect(models).toContainEqual(
      expect.objectContaining({ name: 'resnet20', parameters: 272_474 }),
    );
  });

  it('are a table that fits 80 columns', async () => {
    const { stdout } = await syncbn(['models']);
    for (const name of MODEL_NAMES) expect(stdout).toContain(`│ ${name} `);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

/** The table has exactly the memory of a run on one worker without the data. */
function addUp(memory: ModelSummary['memoryBytes']): void {
  const { total, fits: _fits, fitting: _fitting, ...all } = memory;
  const { keptForBackward, derivedInBackward, ...parts } = all;
  expect(keptForBackward).toBeGreaterThan(0);
  expect(keptForBackward).toBeLessThan(parts.activations);
  expect(derivedInBackward).toBeGreaterThanOrEqual(0);
  expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
  for (const bytes of Object.values(parts)) expect(bytes).toBeGreaterThan(0);
}

describe('syncbn summary', () => {
  it('counts the layers of a named model', async () => {
    const { code, events } = await syncbn(['summary', 'refnet', '--json']);
    expect(code).toBe(0);
    const summary = events[0] as unknown as ModelSummary;
    const products = [28 * 28 * 16 * 9, 14 * 14 * 32 * 9 * 16, 14 * 14 * 32 * 9 * 32, 320];
    expect(summary.layers.map(({ multiplyAdds }) => multiplyAdds).filter(Boolean)).toEqual(
      products,
    );
    const multiplyAdds = products.reduce((sum, product) => sum + product, 0);
    expect(summary).toMatchObject({
      ...{ event: 'summary', model: 'refnet', inputShape: [28, 28, 1], outputShape: [10] },
      ...{ parameters: { trained: 14_458, frozen: 0 }, normLayers: 3, normChannels: 80 },
      ...{ multiplyAdds, flopsForward: 2 * multiplyAdds, batch: 128, replicas: 8 },
    });
    expect(summary.layers[4]).toEqual({
      ...{ path: '4.batchNorm', kind: 'batchNorm', outputShape: [14, 14, 32] },
      ...{ parameters: 64, buffers: 65, multiplyAdds: 0, normChannels: 32 },
    });
    addUp(summary.memoryBytes);
    // As ARCHITECTURE.md counts them: 3 + 3 + 2.
    expect(summary.exchanges).toMatchObject({ statistics: 6, gradients: 2 });
  });

  it('shows layers and totals in 80 columns, long paths without their middle', async () => {
    const conv = nn.conv2d(3, 3, { kernel: 1 });
    const deep = ['inner', 'middle-part', 'another', 'outer'].reduce(
      (layer, name) => nn.graph((x) => x.apply(name, layer)),
      nn.graph((x) => nn.add(x, x.apply('last', conv))),
    );
    const file = join(folder, 'deep.json');
    writeFileSync(file, JSON.stringify(deep));
    const { stdout } = await syncbn(['summary', file, '--input-shape', '256x256x3']);
    expect(stdout).toMatch(/│ outer\.\.\.inner\.last conv2d +│ 256x256x3 │ 12 +│ 590 k /);
    expect(stdout).toContain('│ input, output         │ 256x256x3, 256x256x3 ');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('uses the run and data of a checkpoint, unless flags override them', async () => {
    const path = fileURLToPath(new URL('../support/checkpoints/version1.bin', import.meta.url));
    const own = await summaryOf(path);
    expect(own).toMatchObject({ inputShape: [12, 12, 3], batch: 16, replicas: 2 });
    expect(own.exchanges.statistics).toBe(1);
    const other = await summaryOf(path, { batch: '32', replicas: '1', norm: 'frozen' });
    expect(other).toMatchObject({ batch: 32, replicas: 1, exchanges: { gradients: 0 } });
    expect(own.parameters.trained - other.parameters.trained).toBe(6);
    addUp(other.memoryBytes);
  });

  it('reports the size of a batch that does not fit', async () => {
    const { memoryBytes } = await summaryOf('refnet', { batch: '65536' });
    expect(memoryBytes.fits).toBe(false);
    expect(memoryBytes.total).toBeGreaterThan(2 ** 32);
  });

  it('shows more workers than grains if there are more replicas', async () => {
    const { exchanges } = await summaryOf('refnet', { replicas: '100', 'input-shape': '8x8x1' });
    expect(exchanges.statistics).toBe(6);
    expect((await summaryOf('refnet', { norm: 'group' })).exchanges.statistics).toBe(0);
  });

  it.each<[string, string | undefined, Record<string, string>, RegExp]>([
    ['no model', undefined, {}, /^syncbn summary requires a model.*syncbn summary resnet20/],
    ['an unknown name', 'resnet2', {}, /^model: expected .*refnet.*, got "resnet2".*Try: resnet20/],
    [
      'a shape that is none',
      'refnet',
      { 'input-shape': '8by8' },
      /^--input-shape: expected .*, got "8by8"/,
    ],
    ['a small batch', 'refnet', { batch: '4' }, /^--batch: expected at least 8.*, got 4/],
    [
      'too many replicas',
      'refnet',
      { replicas: '1025' },
      /^--replicas: expected .*to 1024.*, got 1025/,
    ],
    ['frozen norms without statistics', 'refnet', { norm: 'frozen' }, /^--norm frozen .*checkp/],
    ['groups without a norm', 'own.json', { 'num-groups': '2' }, /^--num-groups requires --/],
    ['classes of a file', 'own.json', { classes: '3' }, /^--classes requires a model by name/],
    ['a file without a shape', 'own.json', {}, /first layer takes \?x\?x3.*Try: --input-shape/],
  ])('refuses %s', async (_, model, flags, message) => {
    const file = model?.endsWith('.json') ? join(folder, model) : model;
    if (file !== model) writeFileSync(file!, JSON.stringify(nn.conv2d(3, 4, { kernel: 1 })));
    await expect(summaryOf(file, flags)).rejects.toThrow(message);
  });
});

describe('syncbn init', () => {
  it('prints the model that train would use, with the location of its schema first', async () => {
    const { code, stdout } = await syncbn(['init', 'refnet', '--classes', '7']);
    expect(code).toBe(0);
    const [first, second] = Object.entries(JSON.parse(stdout));
    expect(first).toEqual(['$schema', './node_modules/syncbn/schema/model.schema.json']);
    expect(second).toEqual(['kind', 'sequential']);
    const model = nn.namedModel('refnet', { inputShape: [28, 28, 1], classes: 7 });
    expect(nn.parseModel(JSON.parse(stdout))).toEqual(nn.convertNorm(model, { to: 'sync' }));
    expect(stdout).toContain('\n    { "kind": "batchNorm", "channels": 16, "sync": "all" },\n');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('writes a file that summary reads, and never replaces one unasked', async () => {
    const out = join(folder, 'net.json');
    const args = ['init', 'resnet20', '--norm', 'group', '--out', out];
    expect(await syncbn(args)).toMatchObject({ code: 0, stdout: `Written to ${out}.\n` });
    const { $schema } = JSON.parse(readFileSync(out, 'utf8')) as { $schema: string };
    expect(join(dirname(out), $schema)).toBe(
      join(process.cwd(), 'node_modules/syncbn/schema/model.schema.json'),
    );
    expect(await summaryOf(out, { 'input-shape': '32x32x3' })).toMatchObject({
      ...{ parameters: { trained: 272_474 }, exchanges: { statistics: 0 } },
    });
    const { code, stderr } = await syncbn(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/would replace an existing file\. Try: --overwrite/);
  });

  it('prints lists of numbers, and what fits, on one line', () => {
    const list = Array.from({ length: 20 }, (_, i) => 1000 + i);
    expect(prettyJson([])).toBe('[]');
    expect(prettyJson({ a: {}, b: [1, 'x', null] })).toBe('{ "a": {}, "b": [1, "x", null] }');
    const line = `[${list.join(', ')}]`;
    expect(prettyJson({ list, deep: { list: [list, {}], last: 'x' } })).toBe(`{
  "list": ${line},
  "deep": {
    "list": [
      ${line},
      {}
    ],
    "last": "x"
  }
}`);
  });
});
