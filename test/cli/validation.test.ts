// Validation, early stopping and the best epoch from the command line.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { hashWeights } from '../../src/checkpoint/state.ts';
import { Flags } from '../../src/cli/settings/flags.ts';
import { validationFrom } from '../../src/cli/settings/validationFlags.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-validation-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--model', 'refnet', '--json'];
// No epoch improves by that much: the first epoch is best, and the third one is the last.
const asked = ['--validation-split', '56', '--early-stopping', '2', '--min-delta', '100'];
const run = [...tiny, ...asked, '--epochs', '9', '--monitor', 'loss', '--batch', '50'];

/** The epochs that a run has reported. */
async function epochsOf(...args: string[]) {
  const { code, events, stderr } = await syncbn(args);
  expect([code, stderr]).toEqual([0, '']);
  const ends = events.filter(({ event }) => event === 'epoch');
  const epochs = ends.map(({ epoch, loss, best, stopsEarly, validation }) => {
    const { seconds: _seconds, ...scores } = validation as Readonly<Record<string, unknown>>;
    return { epoch, loss, best, stopsEarly, ...scores };
  });
  return { epochs, events };
}

describe('a run that stops early', () => {
  const files = ['--best', file('best.ckpt'), '--report', file('run.html')];

  it('reports each validation, writes the best epoch, and resumes the same decisions', async () => {
    const kept = ['--checkpoint', file('run.ckpt'), '--keep', '9'];
    const first = await epochsOf(...run, ...files, ...kept, '--max-steps', '6');
    const resume = ['--resume', file('run.ckpt'), ...files, '--workers', '1'];
    const second = await epochsOf(...tiny, ...asked, ...resume);
    const epochs = [...first.epochs, ...second.epochs];
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(epochs.map(({ stopsEarly }) => stopsEarly)).toEqual([false, false, true]);
    for (const { best, ...scores } of epochs) {
      expect(best).toMatchObject({ epoch: 1, split: 'validation', monitor: 'loss' });
      expect(scores).toMatchObject({ count: 56, accuracy: expect.any(Number) });
    }
    const [best, epoch] = await Promise.all(
      ['best.ckpt', 'run.step-4.ckpt'].map((name) => readCheckpoint(file(name))),
    );
    expect(best!.counters.step).toBe(4);
    expect(hashWeights(best!.tensors)).toBe(hashWeights(epoch!.tensors));
    expect(readFileSync(file('run.html'), 'utf8')).toMatch(/validation loss/);
  });

  it('is finished, and has its best epoch in one file', async () => {
    const resume = [...tiny, ...asked, '--resume', file('run.ckpt')];
    const { epochs, events } = await epochsOf(...resume);
    expect(epochs).toEqual([]);
    expect(events[1]).toMatchObject({ event: 'notice', message: /the run stopped early/ });
    const other = await syncbn([...resume, '--best', file('other.ckpt')]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/does not hold the best epoch of the run so far, epoch 1/);
  });
});

describe('flags of a validation', () => {
  const read = (given: Readonly<Record<string, unknown>>, isHeldOut = false) =>
    validationFrom(new Flags(given), isHeldOut);

  it('go with a split', () => {
    expect(read({})).toEqual({});
    expect(read({}, true)).toEqual({ validate: 'validation' });
    for (const monitor of ['accuracy', 'meanIou']) {
      expect(read({ validate: 'test', best: 'b.ckpt', monitor }, true)).toEqual({
        ...{ validate: 'test', keepBest: monitor },
      });
    }
  });

  it.each<[Readonly<Record<string, unknown>>, RegExp]>([
    [{ earlyStopping: '3' }, /--early-stopping requires a validation.*--validate test/],
    [{ best: 'b.ckpt' }, /--best requires a validation/],
    [{ validate: 'tets' }, /--validate.*test/],
    [{ validate: 'test', monitor: 'los' }, /--monitor.*loss/],
    [{ validate: 'test', monitor: 'loss' }, /--monitor requires a flag that uses it/],
    [{ validate: 'test', minDelta: '1' }, /--min-delta requires/],
    [{ validate: 'test', earlyStopping: '0' }, /early-stopping/],
  ])('are refused where they do not: %j', (given, message) => {
    expect(() => read(given)).toThrow(message);
  });
});
