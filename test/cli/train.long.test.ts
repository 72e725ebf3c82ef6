import { describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--json'];

async function hashOf(...args: string[]): Promise<unknown> {
  const { code, events, stderr } = await syncbn([...tiny, ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return events.at(-1)!.weightsHash;
}

describe('syncbn train --json', () => {
  it.each([
    ['as it is', ['--batch', '128']],
    ['with uneven global batches', ['--batch', '100']],
    [
      'with augmentation and clipping',
      ['--batch', '128', '--shift', '2', '--flip', '--clip-norm', '1'],
    ],
    ['in strict mode', ['--batch', '128', '--strict']],
  ])('gives the same weights on any workers with any replicas, %s', async (_, args) => {
    const hash = await hashOf(...args, '--workers', '1');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    for (const [replicas, workers] of ['1 2', '3 3', '64 8', '128 2'].map((pair) =>
      pair.split(' '),
    )) {
      const split = ['--replicas', replicas!, '--workers', workers!];
      expect(await hashOf(...args, ...split)).toBe(hash);
    }
  });
});
