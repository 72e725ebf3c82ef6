// Every network and norm on real processes under real MPI, over shared memory and TCP.

import { describe, expect, it } from 'vitest';
import { type Outcome, syncbn } from '../support/cli.ts';
import { LIBRARIES, mpirun } from '../support/processes/mpirun.ts';

const DATA = ['--data', 'synthetic', '--limit', '150', '--batch', '40', '--replicas', '4'];
const TRAIN = ['train', ...DATA, '--epochs', '2', '--json'];
const AUGMENTED = ['--shift', '2', '--flip'];

const CASES: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ['refnet, synchronized', ['--model', 'refnet', '--norm', 'sync', ...AUGMENTED]],
  ['refnet, in groups', ['--model', 'refnet', '--norm', 'sync', '--group-size', '2']],
  ['refnet, local', ['--model', 'refnet', '--norm', 'local']],
  ['refnet, GroupNorm', ['--model', 'refnet', '--norm', 'group', '--clip-norm', '1']],
  ['resnet20, synchronized', ['--model', 'resnet20', '--norm', 'sync']],
];

const PROCESSES = [
  [2, 1],
  [2, 2],
  [3, 1],
  [5, 1],
] as const;

const hashOf = ({ events }: Awaited<ReturnType<typeof syncbn>>) =>
  events.find(({ event }) => event === 'done')?.weightsHash;

describe.each(LIBRARIES)('under $title', ({ library, isHere }) => {
  it.skipIf(!isHere).each(CASES)(
    '%s: any split has the bits of one process',
    async (_name, flags) => {
      const alone = hashOf(await syncbn([...TRAIN, ...flags, '--workers', '1']));
      expect(alone).toBeDefined();
      for (const [processes, workers] of PROCESSES) {
        const args = [...TRAIN, ...flags, '--workers', `${workers}`];
        const hash = hashOf(await mpirun(library, processes, args));
        expect({ processes, workers, hash }).toEqual({ processes, workers, hash: alone });
      }
      const overTcp = await mpirun(library, 3, [...TRAIN, ...flags, '--workers', '1'], {
        isTcp: true,
      });
      expect(hashOf(overTcp)).toBe(alone);
    },
  );

  it.skipIf(!isHere)(
    'two processes train masks as one does, and stop at the same epoch',
    async () => {
      const data = ['--data', 'scenes', '--limit', '24', '--batch', '8', '--replicas', '4'];
      const run = [
        ...data,
        '--model',
        'unet',
        '--width',
        '0.125',
        '--epochs',
        '20',
        '--lr',
        '0.02',
      ];
      const stop = [
        '--validate',
        'test',
        '--early-stopping',
        '1',
        '--monitor',
        'meanIou',
        '--json',
      ];
      const args = ['train', ...run, ...stop, '--workers', '1'];
      const epochsOf = ({ events }: Outcome) =>
        events
          .filter(({ event }) => event === 'epoch')
          .map(({ step, validation }) => ({ step, ...(validation as object), seconds: 0 }));
      const alone = await syncbn(args);
      const apart = await mpirun(library, 2, args);
      expect(hashOf(alone)).toBeDefined();
      expect(hashOf(apart)).toBe(hashOf(alone));
      expect(epochsOf(apart).length).toBeLessThan(20);
      expect(epochsOf(apart)).toEqual(epochsOf(alone));
    },
  );

  it.skipIf(!isHere)('the doctor measures exchanges and compares bits', async () => {
    const output = await mpirun(library, 2, ['doctor', '--mpi', '--json']);
    const [found] = output.events as [Record<string, unknown>];
    expect(found).toMatchObject({ event: 'mpi', family: library.name, isSame: true });
    const times = found.times as readonly { sizeBytes: number; p50: number; p99: number }[];
    expect(times.map(({ sizeBytes }) => sizeBytes)).toEqual([
      64, 1536, 8192, 65_536, 262_144, 1_048_576,
    ]);
    for (const { p50, p99 } of times) {
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
    expect(output.code).toBe(0);
  });
});
