import { describe, expect, it } from 'vitest';
import {
  newestRun,
  type SavedTrainResult,
  shortTable,
  speedPicture,
  speedTable,
  withTable,
} from '../../bench/speedTable.ts';
import { trainSettings } from '../../bench/trainCommand.ts';
import { textOf } from '../support/sources.ts';

const results = textOf('bench/results/train.jsonl');

const machine = { cores: 2, cpu: 'Some CPU', node: '20.20.0', load: 0, torch: '2.0' };
const common = { bench: 'train', net: 'refnet', norm: 'sync', workers: 2, machine } as const;
const times = { msPerStep: 1, msPerStepMin: 1, msPerStepP99: 1 } as const;

function line(more: Partial<SavedTrainResult>): SavedTrainResult {
  const date = '2026-11-24T01:00:00.000Z';
  const split = { replicas: 2, replicaBatch: 2, imagesPerSecond: 1000.4, peer: null };
  return { date, ...common, ...times, ...split, ...more };
}

describe('the published speed', () => {
  const run = newestRun(results);

  it.each([
    ['README.md', shortTable(run)],
    ['docs/speed.md', speedTable(run)],
  ])('in %s matches the newest saved run', (page, table) => {
    expect(table).toMatch(/^\| per-replica batch size/m);
    expect(withTable(textOf(page), table)).toBe(textOf(page));
  });

  it('is also in the picture', () => {
    expect(speedPicture(run)).toBe(textOf('docs/images/speed.svg'));
  });
});

describe('the short table of a run', () => {
  it('has the ratios of three batch sizes', () => {
    const torch = (p50: number) => line({ peer: 'torch-ddp', ratio: { p50, min: 1, max: 9 } });
    const run = [line({}), torch(36.4), line({ norm: 'local', replicaBatch: 8 }), torch(4.25)];
    expect(shortTable(run).split('\n').slice(0, 4)).toEqual([
      '| per-replica batch size   | 2   | 8    | 32  |',
      '| ------------------------ | --- | ---- | --- |',
      '| refnet, SyncBN           | 36x | -    | -   |',
      '| refnet, local batch norm | -   | 4.3x | -   |',
    ]);
  });
});

describe('the table of a run', () => {
  it('has speeds and ratios by replica batch, and other splits separately', () => {
    const ratio = { p50: 4.26, min: 4, max: 5 };
    const table = speedTable([
      line({}),
      line({ peer: 'torch-ddp', ratio }),
      line({ replicaBatch: 8, imagesPerSecond: 2000 }),
      line({ replicaBatch: 8, imagesPerSecond: 1600, peer: 'torch-ddp' }),
      line({ norm: 'local', replicaBatch: 8, imagesPerSecond: 2500 }),
      line({ replicas: 64, imagesPerSecond: 1500 }),
      line({ workers: 1, replicaBatch: 16, imagesPerSecond: 900 }),
      line({ workers: 1, replicaBatch: 16, peer: 'convnetjs', ratio: { ...ratio, p50: 71.6 } }),
    ]);
    expect(table.split('\n')).toEqual([
      '2026-11-24, 2 cores of Some CPU, Node 20.20.0, PyTorch 2.0.',
      '',
      '| per-replica batch size       | 2       | 8       |',
      '| ---------------------------- | ------- | ------- |',
      '| refnet, sync: images/s       | 1000    | 2000    |',
      '| times as fast as PyTorch DDP | **4.3** | **1.3** |',
      '| refnet, local: images/s      | -       | 2500    |',
      '',
      '| net, norm    | split                         | images/s | times as fast as |',
      '| ------------ | ----------------------------- | -------- | ---------------- |',
      '| refnet, sync | 64 replicas of 2 on 2 workers | 1500     | -                |',
      '| refnet, sync | 2 replicas of 16 on 1 worker  | 900      | convnetjs **72** |',
      '',
    ]);
  });

  it('compares with the fastest PyTorch of each setting, and says so', () => {
    const torch = (p50: number, isFastest = false) =>
      line({
        peer: 'torch-ddp',
        ratio: { p50, min: 1, max: 9 },
        ...(isFastest && { isFastest }),
      });
    const run = [line({}), torch(4.3), torch(3.1, true)];
    const size = { replicaBatch: 8 };
    const table = speedTable([
      ...run,
      ...[line({}), torch(2.2, true), torch(5)].map((one) => ({ ...one, ...size })),
    ]);
    expect(table).toContain('| times as fast as PyTorch DDP | **3.1** | **2.2** |');
    expect(table).toMatch(
      /^.*PyTorch 2\.0\. Ratios are to the fastest PyTorch of each setting\.\n/,
    );
  });

  it('is only of the last date', () => {
    const old = line({ date: '2026-11-23T01:00:00.000Z', imagesPerSecond: 1 });
    const run = newestRun([line({}), old, line({ replicaBatch: 4 })].map(toJson).join('\n'));
    expect(run.map(({ replicaBatch }) => replicaBatch)).toEqual([2, 4]);
  });
});

function toJson(value: object): string {
  return JSON.stringify(value);
}

describe('the benchmark of training without flags', () => {
  const grid = 2 * 3 * 5;

  it('measures both nets, all norms, five replica batches and three other splits', () => {
    const settings = trainSettings({ peers: true });
    expect(settings).toHaveLength(grid + 2 * 3);
    const splits = settings
      .slice(grid)
      .map(({ net, replicas, replicaBatch, workers }) => [net, replicas, replicaBatch, workers]);
    expect(splits.slice(0, 3)).toEqual([
      ['refnet', 2, 16, 1],
      ['refnet', 64, 2, 2],
      ['refnet', 2, 64, 2],
    ]);
  });

  it('measures what flags name, and only the given split if there is one', () => {
    expect(trainSettings({ peers: true, net: 'refnet', norm: 'group' })).toHaveLength(5);
    const narrow = { peers: true, net: 'refnet', norm: 'sync', replicaBatch: '4' };
    expect(trainSettings(narrow)).toEqual([
      { net: 'refnet', norm: 'sync', replicas: 2, workers: 2, replicaBatch: 4 },
    ]);
  });
});
