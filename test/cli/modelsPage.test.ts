// docs/models.md and docs/model-json.md: the output under their commands is what these print, and
// the graph in JSON is what its code makes. `npx vitest run test/cli/modelsPage.test.ts -u` writes
// what has changed.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProgressEvent } from '../../src/cli/output/events.ts';
import { prettyJson } from '../../src/cli/output/prettyJson.ts';
import { fromArrays, nn, optim, synthetic, Trainer } from '../../src/index.ts';
import { shortSpec } from '../../src/nn/models/shortSpec.ts';
import { syncbn } from '../support/cli.ts';
import { schemaErrors } from '../support/schemaErrors.ts';

const pathOf = (page: string) => fileURLToPath(new URL(`../../docs/${page}`, import.meta.url));
const path = pathOf('model-json.md');
const COMMAND = /(```sh\nnpx syncbn ([^\n]*)\n```\n\n```(?:text|json)\n).*?(```\n)/gs;
const INPUTS = /### Several inputs\n.*?```js\n(.*?)```/s;
const HEADS = /### Several outputs\n.*?```js\n(.*?)```/s;
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
const GRAPH = /(```js\n(.*?)```\n\nThe same as JSON:\n\n```json\n).*?(```\n)/s;

/** The graph that the page's program exports. */
function graphOf(program: string): ReturnType<typeof nn.graph> {
  const body = program
    .replace(/^import .*$/m, '')
    .replace('export const squeezeExcite =', 'return');
  return new Function('nn', body)(nn);
}

/** The page with what its commands print now. */
async function printedPage(page: string, names: readonly string[]): Promise<string> {
  const text = readFileSync(pathOf(page), 'utf8');
  const commands = [...text.matchAll(COMMAND)].map(([, , args]) => args!);
  expect(commands.map((args) => args.split(' ')[0])).toEqual(names);
  const printed = await Promise.all(commands.map((args) => syncbn(args.split(' '))));
  for (const { code, stderr } of printed) expect([code, stderr]).toEqual([0, '']);
  const outputs = printed.map(({ stdout }) => stdout).values();
  return text.replace(COMMAND, (_, before, _args, after) => before + outputs.next().value + after);
}

describe('docs/models.md', () => {
  it('shows what its commands print', async () => {
    const page = await printedPage('models.md', ['models', 'summary']);
    await expect(page).toMatchFileSnapshot(pathOf('models.md'));
  });
});

describe('docs/model-json.md', () => {
  it('shows what its command prints, and its graph as JSON', async () => {
    const page = await printedPage('model-json.md', ['init']);
    const graph = graphOf(GRAPH.exec(page)![2]!);
    expect(schemaErrors(graph)).toEqual([]);
    const whole = page.replace(GRAPH, (_, before, _program, after) => {
      return `${before}${prettyJson(shortSpec(graph))}\n${after}`;
    });
    await expect(whole).toMatchFileSnapshot(path);
  });

  it('has a program of several inputs that trains', async () => {
    const program = INPUTS.exec(readFileSync(path, 'utf8'))![1]!;
    const names = ['nn', 'optim', 'Trainer', 'fromArrays', 'images', 'facts', 'targets'];
    const images = Array.from({ length: 32 }, (_, i) => Array.from({ length: 64 }, () => i % 3));
    const facts = images.map((_, i) => [i % 2, i % 5, i]);
    const targets = images.map((_, i) => i % 2);
    const run = new AsyncFunction(...names, `${program}return trainer;`);
    const given = [nn, optim, Trainer, fromArrays, images, facts, targets];
    await using trainer: Trainer = await run(...given);
    let accuracy = 0;
    for await (const progress of trainer.fit({ epochs: 40 })) accuracy = progress.accuracy;
    // The class is among the facts alone.
    expect(accuracy).toBeGreaterThan(0.9);
  });

  it('has a program of several outputs that runs, with a model that train takes', async () => {
    const page = readFileSync(path, 'utf8');
    const program = HEADS.exec(page)![1]!;
    const run = new AsyncFunction('nn', 'optim', 'Trainer', 'data', `${program}return trainer;`);
    const trainer: Trainer = await run(nn, optim, Trainer, synthetic({ train: 16, test: 4 }));
    await using _closing = trainer;
    expect(trainer.config.heads).toMatchObject([{ name: 'aux', weight: 0.4 }]);
    const folder = mkdtempSync(join(tmpdir(), 'syncbn-heads-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'model.json');
    writeFileSync(file, JSON.stringify(trainer.config.model));
    const flags = ['--data', 'synthetic', '--limit', '32', '--workers', '1', '--batch', '16'];
    const args = ['train', '--model', file, ...flags, '--validate', 'test', '--json'];
    const { code, events } = await syncbn([...args, '--heads', 'aux=0.4']);
    expect(code).toBe(0);
    const epoch = events.find(({ event }) => event === 'epoch') as unknown as ProgressEvent;
    for (const { loss, headLosses, totalLoss } of [epoch, epoch.validation!]) {
      expect(totalLoss).toBeCloseTo(loss! + 0.4 * headLosses!.aux!, 9);
    }
    const without = await syncbn(args);
    expect([without.code, without.stdout + without.stderr]).toEqual([
      2,
      expect.stringContaining("the model's head aux has no loss"),
    ]);
  });
});
