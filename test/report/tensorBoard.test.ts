import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scalarsRecord, startRecord, textRecord } from '../../src/report/board/eventBytes.ts';
import { crc32c } from '../../src/report/board/records.ts';
import { openTensorBoard } from '../../src/report/board/tensorBoard.ts';
import { readEvents, recordsOf } from '../support/eventFiles.ts';
import { progress, snapshot } from '../support/progress.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-board-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file that TensorBoard 2.21 has written itself (EventFileWriter): its version, two scalars, a
 * text, a restart. */
const THEIRS = Buffer.from(
  'SAAAAAAAAAD+kkidCYpgsFkcw9pBGg1icmFpbi5FdmVudDoyUi4KLHRlbnNvcmJvYXJkLnN1bW1hcnkud3JpdGVyLm' +
    'V2ZW50X2ZpbGVfd3JpdGVyQi6pHzcAAAAAAAAA5+jKWQkAABBA/FTZQRADKioKEQoKdHJhaW4vbG9zcxUAAAA/ChUK' +
    'DnRyYWluL2FjY3VyYWN5FQAAoL+FTLybRgAAAAAAAAByNbmlCQAAYED8VNlBEKwCKjgKNgoVc2V0dGluZ3MvdGV4dF' +
    '9zdW1tYXJ5QhMIBxIEEgIIAUIJZ3LDtsOfZSAxSggKBgoEdGV4dPgVn/8TAAAAAAAAAAyRMhsJAACAQPxU2UEQhYCA' +
    'gCA6AggBcyaADQ==',
  'base64',
);

describe('event files', () => {
  it('have the same bytes as those from TensorBoard', () => {
    const ours = [
      scalarsRecord({ seconds: 1700000000.25, step: 3 }, [
        ['train/loss', 0.5],
        ['train/accuracy', -1.25],
      ]),
      textRecord(
        { seconds: 1700000001.5, step: 300 },
        'settings/text_summary',
        'gr\u00f6\u00dfe 1',
      ),
      startRecord({ seconds: 1700000002, step: 2 ** 33 + 5 }),
    ];
    // The first record names the writer.
    const from = recordsOf(THEIRS)[0]!.length + 16;
    expect(Buffer.concat(ours)).toEqual(THEIRS.subarray(from));
  });

  it('have the checksums of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  });

  it('are parsed by the reader of these tests', () => {
    const [version, scalars, text, start] = readEvents(THEIRS);
    expect(version).toMatchObject({ fileVersion: 'brain.Event:2', step: 0 });
    const values = { 'train/loss': 0.5, 'train/accuracy': -1.25 };
    expect(scalars).toMatchObject({ wallTime: 1700000000.25, step: 3, scalars: values });
    expect(text!.texts).toEqual({ 'settings/text_summary': 'gr\u00f6\u00dfe 1' });
    expect(start).toMatchObject({ step: 2 ** 33 + 5, sessionStatus: 1 });
    const damaged = Buffer.from(THEIRS);
    damaged[100]! ^= 1;
    expect(() => readEvents(damaged)).toThrow(/checksum of the data/);
  });
});

describe('a board', () => {
  const eventsOf = ({ path }: { readonly path: string }) => readEvents(readFileSync(path));

  it('has what a run reports, by step', async () => {
    const board = await openTensorBoard(join(folder, 'new', 'run'));
    const validation = {
      ...{
        loss: 0.25,
        accuracy: 0.5,
        meanIou: Number.NaN,
        headLosses: { aux: 2 },
        totalLoss: 1.25,
      },
      ...{ count: 10, seconds: 1, metrics: {} },
    };
    board.text('settings', '| a |');
    board.progress(progress(1, 2, { learningRate: 0.5 }));
    board.progress(
      progress(4, 1.25, { kind: 'epoch', epoch: 1, accuracy: Number.NaN, validation }),
    );
    expect(board.close()).toBe(0);
    const [version, text, first, epoch, ...more] = eventsOf(board);
    expect(more).toEqual([]);
    expect(version!.fileVersion).toBe('brain.Event:2');
    expect(Math.abs(version!.wallTime - Date.now() / 1000)).toBeLessThan(60);
    expect(text!.texts).toEqual({ settings: '| a |' });
    expect(first!.step).toBe(1);
    expect(first!.scalars).toMatchObject({ 'train/loss': 2, 'train/learningRate': 0.5 });
    expect(epoch).toMatchObject({ step: 4, scalars: { 'epoch/loss': 1.25 } });
    // 30 samples with a mean of 2 were over; 70 bring that of all 100 to 1.25.
    expect(epoch!.scalars['train/loss']).toBeCloseTo((125 - 60) / 70, 6);
    expect(epoch!.scalars).toMatchObject({
      ...{ 'validation/loss': 0.25, 'validation/accuracy': 0.5 },
      ...{ 'validation/headLosses/aux': 2, 'validation/totalLoss': 1.25 },
    });
    const tags = Object.keys(epoch!.scalars);
    expect(tags).not.toContain('epoch/accuracy');
    expect(tags).not.toContain('validation/meanIou');
  });

  it('takes each snapshot once', async () => {
    const board = await openTensorBoard(folder);
    const norms = { step: 2, tensors: [{ name: '0.conv2d.weight', norm: 0.5 }] };
    const trainer = { diagnostics: () => snapshot(2, 0.25), gradientNorms: () => norms };
    board.snapshot(trainer);
    board.snapshot(trainer);
    board.close();
    const found = eventsOf(board).slice(1);
    expect(found.map(({ step, scalars }) => [step, scalars])).toEqual([
      [2, { 'shards/1.batchNorm/meanShift': 0.25, 'shards/1.batchNorm/varianceFactor': 1.25 }],
      [2, { 'gradients/0.conv2d.weight': 0.5 }],
    ]);
  });

  it('of a resumed run is a later file, which says where it starts', async () => {
    const dir = join(folder, 'resumed');
    const boards = [await openTensorBoard(dir), await openTensorBoard(dir, { step: 7 })];
    for (const board of boards) board.close();
    const names = boards.map(({ path }) => path.slice(dir.length + 1));
    expect(readdirSync(dir).sort()).toEqual(names);
    expect(eventsOf(boards[1]!)[1]).toMatchObject({ sessionStatus: 1, step: 8 });
  });

  it('refuses what it cannot write', async () => {
    const file = join(folder, 'file');
    (await openTensorBoard(file)).close();
    await expect(openTensorBoard(join(folder, 'a\0b'))).rejects.toThrow(/folder/);
    await expect(openTensorBoard('/dev/null/x')).rejects.toThrow(/event file to write/);
    const board = await openTensorBoard(folder);
    const values = { loss: '1' } as unknown as Record<string, number>;
    expect(() => board.scalars(1, values)).toThrow(/the value of loss/);
    expect(() => board.scalars(-1, {})).toThrow(/step of scalars/);
    board.close();
    expect(() => board.text('a', 'b')).toThrow(/closed/);
  });
});
