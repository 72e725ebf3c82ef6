import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';
import { readEvents } from '../support/eventFiles.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--model', 'refnet', '--json'];
const folder = mkdtempSync(join(tmpdir(), 'syncbn-logs-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('syncbn train --tensorboard', () => {
  it('writes what the run reports, and a new file on resume', async () => {
    const dir = join(folder, 'board', 'a');
    const checkpoint = join(folder, 'a.ckpt');
    const more = ['--validate', 'test', '--diagnostics', '1', '--tensorboard', dir];
    const first = await syncbn([...tiny, ...more, '--checkpoint', checkpoint]);
    expect([first.code, first.stderr]).toEqual([0, '']);
    const [name] = readdirSync(dir);
    const path = join(dir, name!);
    expect(first.events.at(-1)).toEqual({ event: 'tensorboard', path });
    const events = readEvents(readFileSync(path));
    expect(events[1]!.texts.settings).toMatch(/\| model \| refnet, \d+ parameters \|/);
    const epoch = events.find(({ scalars }) => 'epoch/loss' in scalars)!;
    const told = first.events.find(({ event }) => event === 'epoch')!;
    const { loss, accuracy } = told.validation as Record<'loss' | 'accuracy', number>;
    expect(epoch.step).toBe(told.step);
    const { scalars } = epoch;
    expect(scalars['epoch/loss']).toBe(Math.fround(told.loss as number));
    expect(scalars['validation/loss']).toBe(Math.fround(loss));
    expect(scalars['validation/accuracy']).toBe(Math.fround(accuracy));
    const { testLoss } = first.events.find(({ event }) => event === 'done')!;
    expect(events.at(-1)!.scalars['test/loss']).toBe(Math.fround(testLoss as number));
    const tags = events.flatMap(({ scalars }) => Object.keys(scalars));
    for (const tag of ['shards/1.batchNorm/meanShift', 'gradients/0.conv2d.weight']) {
      expect(tags).toContain(tag);
    }

    const resumed = [...tiny, '--resume', checkpoint, '--epochs', '2', ...more.slice(2)];
    expect((await syncbn(resumed)).code).toBe(0);
    const files = readdirSync(dir).sort();
    expect(files).toHaveLength(2);
    expect(files[0]).toBe(name);
    const later = readEvents(readFileSync(join(dir, files[1]!)));
    expect(later[1]).toMatchObject({ sessionStatus: 1, step: 3 });
    expect(later.at(-1)!.step).toBe(4);
  });

  it('refuses an impossible folder before anything else', async () => {
    const { code, stderr } = await syncbn([...tiny, '--tensorboard', '/etc/hostname/x']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--tensorboard \/etc\/hostname\/x/);
  });
});

describe('syncbn train --log x.csv', () => {
  it('has a row for each event with numbers, and appends to what it has written', async () => {
    const path = join(folder, 'run.csv');
    const args = [...tiny, '--validate', 'test', '--log', path];
    const { events } = await syncbn(args);
    const table = readTable(path);
    const rows = table.map(({ event }) => event).filter((event) => event !== 'progress');
    expect(rows).toEqual(['epoch', 'done']);
    const epoch = table.find(({ event }) => event === 'epoch')!;
    const told = events.find(({ event }) => event === 'epoch')!;
    expect([epoch.epoch, epoch.step]).toEqual(['1', '2']);
    expect(Number(epoch.loss)).toBe(told.loss);
    expect(Number(epoch.validationLoss)).toBe((told.validation as { loss: number }).loss);
    expect(epoch.testLoss).toBe('');
    const done = events.find(({ event }) => event === 'done')!;
    expect(Number(table.at(-1)!.testAccuracy)).toBe(done.testAccuracy);
    expect(Date.parse(epoch.time!)).toBeGreaterThan(Date.parse('2020-01-01'));
    await syncbn(args);
    expect(readTable(path).filter(({ event }) => event === 'done')).toHaveLength(2);
  });

  it('refuses a file with other columns, and does not change it', async () => {
    const path = join(folder, 'other.csv');
    writeFileSync(path, 'a,b\n1,2\n');
    const { code, stderr } = await syncbn([...tiny, '--log', path]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--log .*other\.csv.*columns/)]);
    expect(readFileSync(path, 'utf8')).toBe('a,b\n1,2\n');
  });
});

function readTable(path: string): Record<string, string>[] {
  const [header, ...rows] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const columns = header!.split(',');
  return rows.map((row) => {
    const cells = row.split(',');
    expect(cells).toHaveLength(columns.length);
    return Object.fromEntries(columns.map((column, i) => [column, cells[i]!]));
  });
}
