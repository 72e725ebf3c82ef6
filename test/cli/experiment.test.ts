import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { type Outcome, syncbn } from '../support/cli.ts';
import { npyBytes } from '../support/dataFiles.ts';

/** Three runs of a second or two. */
const short = [
  'experiment',
  'small-batch',
  '--quick',
  '--seeds',
  '1',
  '--data',
  'synthetic',
].concat(['--norms', 'none', '--json']);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-experiment-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Line {
  readonly settings: { readonly replicaBatch: number };
  readonly values: Readonly<Record<string, number>>;
}

function linesOf(out: string): Line[] {
  const text = readFileSync(join(out, 'results.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** What was measured, without the times. */
function numbersOf(out: string): unknown[] {
  return linesOf(out).map(({ settings, values }) => [settings, values]);
}

describe('syncbn experiment', () => {
  let whole: string;
  let outcome: Outcome;
  beforeAll(async () => {
    whole = join(folder, 'whole');
    outcome = await syncbn([...short, '--out', whole, '--workers', '2']);
  }, 60_000);

  it('trains, reports progress and results, and writes all its files', () => {
    const { code, stderr, events } = outcome;
    expect([code, stderr]).toEqual([0, '']);
    const done = events.filter(({ event }) => event === 'progress').map((event) => event.done);
    expect(done).toEqual([0, 1, 2, 3]);
    expect(events[0]).toMatchObject({ event: 'experiment', experiment: 'small-batch' });
    expect(events.at(-1)).toMatchObject({ event: 'done', runs: 3, finished: 3, isStopped: false });
    expect(readdirSync(whole).sort()).toEqual([
      'published.svg',
      'report.html',
      'results.csv',
      'results.jsonl',
      'small-batch.svg',
    ]);
    expect(linesOf(whole).map(({ settings }) => settings.replicaBatch)).toEqual([32, 8, 2]);
    const page = readFileSync(join(whole, 'report.html'), 'utf8');
    expect(page).toContain('syncbn experiment small-batch --quick');
    expect(page).toContain('no norm');
    expect(readFileSync(join(whole, 'results.csv'), 'utf8')).toMatch(
      /^data,norm,replicas,.*testError/,
    );
  });

  it('killed and stopped, continues without repeating runs, to the same numbers', async () => {
    const out = join(folder, 'stopped');
    /** Sends the signal once `done` runs are reported, and returns the stored results. */
    const stopAfter = async (done: number, signal: NodeJS.Signals): Promise<string> => {
      let isSent = false;
      const { code } = await syncbn([...short, '--out', out, '--workers', '1'], (line, child) => {
        if (isSent || !line.includes(`"done":${done}`)) return;
        isSent = true;
        child.kill(signal);
      });
      expect(code).toBe(signal === 'SIGINT' ? 130 : null);
      expect(linesOf(out)).toHaveLength(done);
      return readFileSync(join(out, 'results.jsonl'), 'utf8');
    };
    const killed = await stopAfter(1, 'SIGKILL');
    const stopped = await stopAfter(2, 'SIGINT');
    expect(stopped.startsWith(killed)).toBe(true);

    const { code, events } = await syncbn([...short, '--out', out, '--workers', '2']);
    expect(code).toBe(0);
    expect(events.find(({ event }) => event === 'progress')!.done).toBe(2);
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8').startsWith(stopped)).toBe(true);
    expect(numbersOf(out)).toEqual(numbersOf(whole));
  }, 60_000);

  it('sets a corrupt results file aside, says so, and repeats only lost runs', async () => {
    appendFileSync(join(whole, 'results.jsonl'), '{"experiment":\n');
    const { code, events } = await syncbn([...short, '--out', whole]);
    expect(code).toBe(0);
    expect(events[0]!.event).toBe('notice');
    expect(events[0]!.text).toMatch(/1 of 4 lines of .*cannot be used.*unreadable-1/);
    expect(readdirSync(whole)).toContain('results.unreadable-1.jsonl');
    expect(linesOf(whole)).toHaveLength(3);
    expect(events.filter(({ event }) => event === 'progress')).toHaveLength(1);
  });

  it('repeats a run if its line lacks a value', async () => {
    const path = join(whole, 'results.jsonl');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/"testLoss":[^,]+,/, ''));
    const { code, stderr, events } = await syncbn([...short, '--out', whole]);
    expect([code, stderr]).toEqual([0, '']);
    expect(events[0]!.text).toMatch(/1 of 3 lines of .*cannot be used/);
    expect(events.findLast(({ event }) => event === 'progress')).toMatchObject({ done: 3 });
    expect(linesOf(whole)).toHaveLength(3);
  });

  it('locks its folder: a second process is refused until the first has ended', async () => {
    const out = join(folder, 'shared');
    let second: Promise<Outcome> | undefined;
    const first = await syncbn([...short, '--out', out], (line, child) => {
      if (second !== undefined || !line.includes('"event":"progress"')) return;
      second = syncbn([...short, '--out', out]).then((outcome) => {
        expect(outcome.stderr).toContain(`in use by process ${child.pid} of host`);
        child.kill('SIGINT');
        return outcome;
      });
    });
    expect((await second!).code).toBe(2);
    expect(first.code).toBe(130);
    expect(existsSync(join(out, 'results.lock'))).toBe(false);
  });

  it('reports its results before it fails to write its files', async () => {
    const report = join(whole, 'report.html');
    rmSync(report);
    mkdirSync(report);
    const args = short.filter((flag) => flag !== '--json');
    const { code, stdout, stderr } = await syncbn([...args, '--out', whole]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/│ per-replica batch size/);
    expect(stderr).toMatch(/report\.html: expected .*, got "EISDIR/);
    rmSync(report, { recursive: true });
    expect(existsSync(join(whole, 'results.lock'))).toBe(false);
  });

  it('shows tables and verdicts without colors on a terminal without colors', async () => {
    const args = short.filter((flag) => flag !== '--json');
    const { stdout } = await syncbn([...args, '--out', whole]);
    expect(stdout).toContain('Small batches');
    expect(stdout).toMatch(/│ per-replica batch size +│ 32 +│ 8 +│ 2 +│/);
    expect(stdout).toMatch(/3 of 3 runs, 3 found done/);
    expect(stdout).not.toContain('\u001b');
  });
});

describe('syncbn experiment on a custom net and data', () => {
  it('ends with claims and pictures of that net', async () => {
    const own = sequential([
      conv2d(1, 4, { kernel: 3, stride: 2 }),
      batchNorm(4),
      relu(),
      flatten(),
      linear(36, 3),
    ]);
    const net = join(folder, 'own.json');
    writeFileSync(net, JSON.stringify(own));
    const data = join(folder, 'own');
    mkdirSync(data);
    const count = 96;
    const values = Float32Array.from({ length: count * 64 }, (_, i) => Math.sin(i * (i % 7)));
    const labels = Int32Array.from({ length: count }, (_, i) => Math.floor((i * 3) / count));
    for (const split of ['train', 'test']) {
      writeFileSync(join(data, `x_${split}.npy`), npyBytes('<f4', [count, 8, 8], values));
      writeFileSync(join(data, `y_${split}.npy`), npyBytes('<i4', [count], labels));
    }
    const out = join(folder, 'given');
    const asked = ['--norms', 'local,sync', '--replica-batches', '4,2', '--seeds', '1'];
    const { code, stderr, events } = await syncbn(
      ['experiment', 'small-batch', '--quick', '--json', '--model', net, '--data', data].concat([
        '--out',
        out,
        ...asked,
      ]),
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(events.at(-1)).toMatchObject({ event: 'done', runs: 5, finished: 5 });
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain(`${net} on ${data}: Local batch norm has a larger error at 2`);
    expect(page).not.toContain('ResNet-50');
    expect(readFileSync(join(out, 'small-batch.svg'), 'utf8')).toContain(`: ${net} on ${data}`);
  });
});

describe('syncbn experiment refuses', () => {
  it.each([
    [
      ['smal-batch'],
      /experiment: expected .*, got "smal-batch".*Try: syncbn experiment small-batch --quick/,
    ],
    [['learning_rate'], /Try: syncbn experiment learning-rate --quick/],
    [[], /experiment requires .*: small-batch, sync-group, precise/],
    [['small-batch', '--norms', 'batch'], /--norms: expected local, sync.*, got "batch"/],
    [
      ['precise', '--norms', 'local'],
      /--norms of syncbn experiment precise makes no sense here: only batch norm/,
    ],
    [
      ['fine-tuning', '--model', 'lenet'],
      /--model of syncbn experiment fine-tuning makes no sense here: it builds its net twice/,
    ],
    [
      ['segmentation', '--data', 'small-scenes', '--replica-batches', '2000'],
      /training samples of small-scenes: expected at least 16000.*, got 8000/,
    ],
    [['style', '--seeds', '0'], /--seeds: expected .*, got 0/],
    [
      ['style', '--model', 'none.json', '--data', 'synthetic'],
      /--model none\.json does not exist \(ENOENT\)/,
    ],
    [['style', '--data', '/nowhere'], /the dataset \/nowhere/],
    [['style', '--out', '/proc/nowhere/x'], /--out \/proc\/nowhere\/x: expected .*, got "ENOENT"/],
    [['style', 'precise'], /arguments of syncbn experiment/],
  ])('%j', async (args, message) => {
    const out = args.includes('--out') ? [] : ['--out', join(folder, 'refused')];
    const { code, stderr } = await syncbn(['experiment', ...args, '--quick', ...out]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });
});
