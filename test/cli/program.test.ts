import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '64', '--model', 'refnet'];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-program-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs with --json and expects exit code 2, nothing but JSON on stdout, and the error last. */
async function expectJsonRefusal(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stdout, stderr, events } = await syncbn([...args, '--json']);
  expect(code).toBe(2);
  expect(stdout.trimEnd().split('\n')).toHaveLength(events.length);
  const last = events.at(-1)!;
  expect(last).toEqual({ event: 'error', kind: 'usage', message: expect.stringMatching(message) });
  expect(stderr).toBe(`syncbn: ${last.message}\n`);
}

describe('help', () => {
  it.each([
    [['--help'], /\nTrain:\n +train [\s\S]*\nUse a trained model:\n +eval /],
    [['train', '--help'], /\nReplicas and batches:\n +--replicas <n>/],
    [['eval', '-h'], /--checkpoint <file>/],
    [['inspect', '--help'], /inspect \[checkpoint\]/],
    [['summary', '--help'], /summary \[model\][\s\S]*--input-shape <shape>/],
  ])('of %j goes to stdout with exit code 0', async (args, text) => {
    const { code, stdout, stderr } = await syncbn(args);
    expect(stdout).toMatch(text);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  it('shows the version', async () => {
    const { code, stdout } = await syncbn(['--version']);
    expect(stdout).toMatch(/^syncbn\/\d+\.\d+\.\d+/);
    expect(code).toBe(0);
  });

  it('is short if no command is given, with exit code 2', async () => {
    const { code, stdout } = await syncbn([]);
    expect(stdout).toMatch(/Start here:\n {2}syncbn train --data synthetic/);
    expect(stdout.split('\n').length).toBeLessThan(12);
    expect(code).toBe(2);
  });
});

describe('with --json an error is the last line of stdout, for', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['a negative number', ['--replicas', '-3'], /^--replicas: expected .*, got -3/],
    ['a negative fraction', ['--lr', '-.5'], /^--lr: expected .*, got "-\.5"/],
    ['a number in hexadecimal', ['--seed', '0x10'], /^--seed: expected .*, got "0x10"/],
    ['a whole number with an exponent', ['--epochs', '1e1'], /^--epochs: expected .*, got "1e1"/],
    ['a flag without its value', ['--lr', '--strict'], /^--lr requires a value/],
    ['a flag with an empty value', ['--log='], /^--log requires a value/],
    ['a flag that is given twice', ['--json'], /^--json was given 2 times/],
    [
      'words behind --',
      ['--flip', '--json', '--', 'more'],
      /^arguments of syncbn train: expected .*, got \["mo/,
    ],
    ['an unknown flag with its value', ['--epoch=3'], /has no flag --epoch\. Try: --epochs/],
    [
      'a flag of another case',
      ['--replicaBatch', '4'],
      /has no flag --replicaBatch.*--replica-batch/,
    ],
    [
      'intervals without a file',
      ['--checkpoint-every', '2'],
      /^--checkpoint-every requires a file/,
    ],
  ])('%s', async (_, args, message) => {
    await expectJsonRefusal([...tiny, ...args], message);
  });

  it('an unknown command', async () => {
    await expectJsonRefusal(['evil'], /^syncbn has no command evil\. Try: syncbn eval/);
  });

  it('a checkpoint that is a folder, before any step', async () => {
    const { events } = await syncbn([...tiny, '--json', '--checkpoint', folder]);
    expect(events.map(({ event }) => event)).toEqual(['error']);
    expect(events[0]!.message).toMatch(/EISDIR/);
  });
});

describe('a value', () => {
  it('stays the text that was typed, even if it looks like a number', async () => {
    const path = join(folder, '007');
    const { code } = await syncbn([...tiny, '--checkpoint', path]);
    expect(code).toBe(0);
    expect(await readdir(folder)).toContain('007');
    expect((await syncbn(['inspect', path])).code).toBe(0);
  });
});

describe('a stack', () => {
  it('is shown only with --debug', async () => {
    const args = [...tiny, '--lr', 'high'];
    expect((await syncbn(args)).stderr).not.toMatch(/\n\s+at /);
    expect((await syncbn([...args, '--debug'])).stderr).toMatch(/\n\s+at /);
  });
});

describe('a reader of stdout that leaves early', () => {
  it('does not end the run, which reports it once', async () => {
    const path = join(folder, 'unread.ckpt');
    const args = [...tiny, '--json', '--epochs', '40', '--checkpoint', path];
    const { code, stderr, events } = await syncbn(args, (_, child) => child.stdout?.destroy());
    expect(events[0]).toMatchObject({ event: 'start' });
    expect(stderr).toBe('syncbn: stdout is closed (write EPIPE); the run continues without it.\n');
    expect(code).toBe(0);
    const { events: inspected } = await syncbn(['inspect', path, '--json']);
    expect(inspected[0]).toMatchObject({ counters: { step: 40 } });
  });
});

describe('--max-steps', () => {
  it('is the total that progress counts to', async () => {
    const path = join(folder, 'steps.ckpt');
    const steps = ['--replicas', '8', '--replica-batch', '2', '--epochs', '3', '--max-steps', '6'];
    const args = [...tiny, ...steps, '--checkpoint', path, '--checkpoint-every', '2', '--json'];
    const { code, events } = await syncbn(args);
    expect(code).toBe(0);
    // Files are written during training, so it is still running when one is reported.
    const isSave = ({ event }: { event?: unknown }): boolean => event === 'checkpoint';
    const told = events.filter((event) => !isSave(event));
    expect(told.map(({ event, step }) => [event, step])).toEqual([
      ['start', 0],
      ['progress', 2],
      ['epoch', 4],
      ['diagnostics', 0],
      ['stopped', 6],
      ['done', undefined],
    ]);
    expect(events.filter(isSave).map(({ step }) => step)).toEqual([2, 4, 6]);
    expect(events.slice(1).find(({ event }) => event === 'stopped')).toMatchObject({
      totalSteps: 6,
      secondsLeft: 0,
    });
  });
});

describe('a model with custom layers', () => {
  it('can have every kind of norm', async () => {
    const module = join(folder, 'same.mjs');
    await writeFile(
      module,
      `export default () => ({
        outputShape: (input) => input,
        forward({ x, y }) { y.set(x); },
        backward({ dy, dx }) { dx?.set(dy); },
      });`,
    );
    const model = join(folder, 'same.json');
    const layers = [
      { kind: 'custom', module: pathToFileURL(module).href, options: {} },
      { kind: 'batchNorm', channels: 3 },
      { kind: 'flatten' },
      { kind: 'linear', inFeatures: 432, outFeatures: 10 },
    ];
    await writeFile(model, JSON.stringify({ kind: 'sequential', layers }));
    const args = ['train', '--data', 'synthetic', '--limit', '64', '--model', model, '--json'];
    const converted = [...args, '--norm', 'layer', '--allow-modules'];
    const { code, events } = await syncbn(converted);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ norm: 'layerNorm', parameters: 2 * 432 + 4330 });
  });
});

describe('a run that is interrupted', () => {
  it('reports once, after the step, that it stopped, and does not evaluate', async () => {
    const path = join(folder, 'stopped.ckpt');
    const args = [...tiny, '--json', '--epochs', '1000', '--checkpoint', path];
    const { code, events } = await syncbn(args, (line, child) => {
      if (line.includes('"event":"checkpoint"')) child.kill('SIGINT');
    });
    expect(code).toBe(130);
    const kinds = events.map(({ event }) => event);
    expect(kinds.filter((kind) => kind === 'stopped')).toHaveLength(1);
    expect(kinds).not.toContain('done');
    const last = (kind: string) => events.findLast(({ event }) => event === kind)!;
    expect(last('checkpoint').step).toBe(last('stopped').step);
  });

  it.each(['done', 'stopped'])(
    'ends by itself when a signal comes after it said %s',
    async (end) => {
      const path = join(folder, `late-${end}.ckpt`);
      const first = end === 'done' ? end : 'checkpoint';
      const epochs = end === 'done' ? '1' : '1000';
      const args = [...tiny, '--json', '--epochs', epochs, '--checkpoint', path, '--overwrite'];
      const { code } = await syncbn(args, (line, child) => {
        if (line.includes(`"event":"${first}"`)) child.kill('SIGINT');
        if (line.includes(`"event":"${end}"`)) child.kill('SIGTERM');
      });
      // If the signal comes first, it ends the process, with its exit code.
      expect([0, 130, 143]).toContain(code);
    },
  );

  it('ends at once if it is interrupted again', async () => {
    const outcome = await interruptTwice();
    expect(outcome.code).toBe(130);
    // A signal within a second of the first one is the same request.
    const kinds = new Set(outcome.events.map(({ event }) => event));
    expect([...kinds]).toEqual(['start', 'progress']);
    expect(outcome.seconds).toBeLessThan(STEP_SECONDS / 2);
  });
});

const STEP_SECONDS = 20;

/** Interrupts a run in a step that takes far longer than the test waits. */
async function interruptTwice(): Promise<Outcome & { readonly seconds: number }> {
  const module = join(folder, 'slow.mjs');
  await writeFile(
    module,
    `const cell = new Int32Array(new SharedArrayBuffer(4));
    export default () => ({
      outputShape: (input) => input,
      forward({ x, y }) {
        Atomics.wait(cell, 0, 0, ${STEP_SECONDS * 1000});
        y.set(x);
      },
      backward({ dy, dx }) { dx?.set(dy); },
    });`,
  );
  const model = join(folder, 'slow.json');
  const layers = [
    { kind: 'custom', module: pathToFileURL(module).href, options: {} },
    { kind: 'flatten' },
    { kind: 'linear', inFeatures: 432, outFeatures: 10 },
  ];
  await writeFile(model, JSON.stringify({ kind: 'sequential', layers }));
  let interruptedMs = 0;
  const args = ['train', '--data', 'synthetic', '--limit', '64', '--model', model];
  // Progress comes every second while the step lasts.
  const outcome = await syncbn([...args, '--allow-modules', '--json'], (line, child) => {
    if (!line.includes('"event":"progress"')) return;
    interruptedMs = performance.now();
    child.kill('SIGINT');
  });
  return { ...outcome, seconds: (performance.now() - interruptedMs) / 1000 };
}
