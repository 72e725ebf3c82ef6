import { describe, expect, it } from 'vitest';
import { servePeer } from '../../bench/served.ts';
import { datasetOf, measureTraining, sampleCountOf, type TrainPeer } from '../../bench/train.ts';
import * as library from '../../src/index.ts';

const times = { seconds: 0.1, rounds: 2, windowSeconds: 0.02, warmUpSeconds: 0.02 };
const setting = { net: 'refnet', norm: 'sync', replicas: 2, workers: 1, replicaBatch: 2 } as const;

/** A peer that answers a number of times, with the given milliseconds per step, and then dies. */
function peerOf(label: string, answers: number, ms: number): TrainPeer {
  const figures = { imagesPerSecond: 4000 / ms, msPerStep: { min: ms, p50: ms, p99: ms } };
  const program = `let left = ${answers};
    process.stdin.on('data', () => {
      if (left-- === 0) { console.error('out of answers'); process.exit(1); }
      console.log(${JSON.stringify(JSON.stringify({ ...figures, format: 'channels_last' }))});
    });`;
  const torch = { version: label, blas: 'a', oneDnn: '1', capability: 'AVX2' };
  const start = () => servePeer(label, process.execPath, ['-e', program]);
  return { name: 'torch-ddp', label, torch, workers: 2, rounds: Infinity, start };
}

describe('training beside peers', () => {
  it('continues without peers that fail, and marks the fastest PyTorch of the others', async () => {
    const failures: string[] = [];
    const peers = [
      peerOf('never', 0, 1),
      peerOf('slow', 99, 2000),
      peerOf('once', 2, 1),
      peerOf('fast', 99, 1000),
    ];
    const results = await measureTraining(setting, times, peers, ({ label }, { message }) =>
      failures.push(`${label}: ${message}`),
    );
    expect(failures).toEqual([
      'never: never failed: out of answers',
      'once: once failed: out of answers',
    ]);
    expect(results.map(({ torch, isFastest }) => [torch?.version, isFastest])).toEqual([
      [undefined, undefined],
      ['slow', undefined],
      ['fast', true],
    ]);
    expect(results[1]).toMatchObject({ peer: 'torch-ddp', format: 'channels_last', workers: 2 });
    expect(results[0]!.imagesPerSecond).toBeGreaterThan(0);
  });
});

describe('data to train with', () => {
  it('has 2048 samples, fewer if they are large, and never less than one step', () => {
    const countOf = (net: 'resnet20' | 'resnet18', replicaBatch: number) =>
      sampleCountOf({ ...setting, net, replicaBatch });
    expect(countOf('resnet20', 2)).toBe(2048);
    expect(countOf('resnet18', 2)).toBe(682);
    expect(countOf('resnet18', 400)).toBe(800);
  });

  it('has a class for each pixel if the net classifies pixels', () => {
    const { task, train } = datasetOf(library, { ...setting, net: 'unet' });
    expect(task).toEqual({ kind: 'segmentation', classes: 10, targetShape: [64, 64] });
    const size = 64 * 64;
    expect(train.targets).toHaveLength(train.count * size);
    // The second sample is of class 1.
    expect([...new Set(train.targets.subarray(size, 2 * size))]).toEqual([1]);
  });
});
