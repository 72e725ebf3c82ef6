import { describe, expect, it } from 'vitest';
import { syncbn } from './run.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--replicas', '8', '--json'];

async function hashOf(...args: string[]): Promise<unknown> {
  const { code, events, stderr } = await syncbn([...tiny, ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return events.at(-1)!.weightsHash;
}

describe('syncbn train --json', () => {
  it.each([
    ['as it is', []],
    ['with uneven global batches', ['--batch', '100']],
    ['with augmentation and clipping', ['--shift', '2', '--flip', '--clip-norm', '1']],
    ['in strict mode', ['--strict']],
  ])('gives the same weights on 1, 2, 3 and 8 workers, %s', async (_, args) => {
    const hash = await hashOf(...args, '--workers', '1');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    for (const workers of ['2', '3', '8']) {
      expect(await hashOf(...args, '--workers', workers)).toBe(hash);
    }
  });
});
