import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bench, linesOf } from '../support/benchCommand.ts';

describe('the benchmark of training', () => {
  it('checks, measures and prints a line with every field', async () => {
    const output = await bench('train', '--smoke', '--json');
    expect(output.stderr).toContain('refnet sync, 2 replicas of 2 on 2 workers');
    const lines = linesOf(output);
    expect(lines).toHaveLength(1);
    const [line] = lines;
    expect(line).toEqual({
      bench: 'train',
      net: 'refnet',
      norm: 'sync',
      replicas: 2,
      workers: 2,
      replicaBatch: 2,
      imagesPerSecond: expect.any(Number),
      msPerStep: expect.any(Number),
      msPerStepMin: expect.any(Number),
      msPerStepP99: expect.any(Number),
      peer: null,
    });
    const { imagesPerSecond, msPerStep, msPerStepMin, msPerStepP99 } = line as Record<
      string,
      number
    >;
    // 4 images per step.
    expect((imagesPerSecond! * msPerStep!) / 4000).toBeCloseTo(1, 2);
    expect(msPerStepMin).toBeGreaterThan(0);
    expect(msPerStepMin).toBeLessThanOrEqual(msPerStep!);
    expect(msPerStepP99).toBeGreaterThanOrEqual(msPerStep!);
  });

  it('prints a table and the machine for people, and saves nothing by default', async () => {
    const output = await bench('train', '--smoke', '--norm', 'group', '--workers', '1');
    expect(output.stdout).toMatch(/│ images\/s │/);
    expect(output.stdout).toMatch(/│ refnet │ group │ +2 │ +1 │/);
    expect(output.stdout).toContain(`Node ${process.versions.node}`);
    expect(output.stderr).not.toContain('Saved');
  });
});

describe('the benchmark against another build', () => {
  it('measures both alternately (here a build against itself)', async () => {
    const [line, ...others] = linesOf(await bench('against', '.', '--smoke', '--json'));
    expect(others).toEqual([]);
    expect(line).toMatchObject({ bench: 'against', net: 'refnet', norm: 'sync', replicaBatch: 2 });
    const { msPerStep, otherMsPerStep, turns } = line as Record<string, number>;
    expect(Math.min(msPerStep!, otherMsPerStep!)).toBeGreaterThan(0);
    expect(turns).toBeGreaterThanOrEqual(2);
    const { min, p50, max } = line!.ratio as Record<string, number>;
    expect(min).toBeLessThanOrEqual(p50!);
    expect(p50).toBeLessThanOrEqual(max!);
  });

  it('splits the batches of this build as requested', async () => {
    const lines = linesOf(await bench('against', '.', '--smoke', '--json', '--grains', '2,4'));
    expect(lines.map(({ grains }) => grains)).toEqual([2, 4]);
  });
});

describe('the guard of speed', () => {
  it('builds a commit and compares training and kernels with it', async () => {
    const output = await bench('guard', 'HEAD', '--smoke', '--json');
    expect(output.stderr).toMatch(/^Comparing with \w{10} \(HEAD\)\.\n/);
    const lines = linesOf(output);
    const names = lines.map(({ name }) => String(name));
    expect(names[0]).toBe('refnet sync, 2 replicas of 2 on 2 workers');
    expect(names.filter((name) => name.startsWith('conv forward'))).toHaveLength(3);
    expect(names.filter((name) => name.startsWith('norm normalize'))).toHaveLength(2);
    for (const { ms, otherMs, turns, ratio } of lines as Record<string, number>[]) {
      expect(Math.min(ms!, otherMs!)).toBeGreaterThan(0);
      expect(turns).toBeGreaterThanOrEqual(8);
      const { low, p50, high } = ratio as unknown as Record<string, number>;
      expect(low).toBeLessThanOrEqual(p50!);
      expect(p50).toBeLessThanOrEqual(high!);
    }
    const isSlower = lines.some(({ verdict }) => verdict === 'slower');
    expect(output.code).toBe(isSlower ? 1 : 0);
  });

  it('refuses what is not a commit before it builds anything', async () => {
    const output = await bench('guard', 'no-such-branch');
    expect(output.code).toBe(1);
    expect(output.stderr).toMatch(
      /^guard: expected a commit of this repository, got "no-such-branch"/,
    );
  });
});

describe('the benchmark of kernels', () => {
  it('checks every kernel of a net and gives its rate as a share of a peak', async () => {
    const lines = linesOf(await bench('kernels', '--smoke', '--json'));
    const names = new Set(lines.map(({ kernel }) => kernel));
    expect([...names].sort()).toEqual([
      'conv forward',
      'conv input grad',
      'conv weight grad',
      'norm grad sums',
      'norm input grad',
      'norm moments',
      'norm normalize',
    ]);
    for (const { rate, peak, share, usMin, usP50, usP99 } of lines as Record<string, number>[]) {
      expect(rate! / peak! / share!).toBeCloseTo(1, 2);
      expect(usMin).toBeGreaterThan(0);
      expect(usMin).toBeLessThanOrEqual(usP50!);
      expect(usP50).toBeLessThanOrEqual(usP99!);
    }
  });
});

describe('the benchmark of the all-reduce', () => {
  it('checks and measures every number of ranks, size, type and memory', async () => {
    const lines = linesOf(await bench('all-reduce', '--smoke', '--json', '--ranks', '1,2,3'));
    const settings = [1, 2, 3].flatMap((ranks) =>
      [8, 8192].flatMap((bytes) =>
        ['float32', 'float64'].flatMap((dtype) =>
          ['shared', 'private'].map((memory) => ({ ranks, bytes, dtype, memory })),
        ),
      ),
    );
    expect(lines).toEqual(
      settings.map((setting) => ({
        bench: 'all-reduce',
        ...setting,
        us: expect.any(Number),
        usMin: expect.any(Number),
        usP99: expect.any(Number),
        gbPerSecond: setting.ranks === 1 ? null : expect.any(Number),
        ofBandwidth: null,
        peer: null,
      })),
    );
    for (const line of lines as Record<string, number>[]) {
      const { ranks, bytes, us, usMin, usP99, gbPerSecond } = line;
      expect(usMin).toBeGreaterThan(0);
      expect(usMin).toBeLessThanOrEqual(us!);
      expect(us).toBeLessThanOrEqual(usP99!);
      // Every rank's array, read and written.
      if (ranks! > 1) expect((gbPerSecond! * us! * 1000) / (2 * ranks! * bytes!)).toBeCloseTo(1, 2);
    }
  });

  it('compares large arrays with the memory bandwidth', async () => {
    const flags = ['--smoke', '--ranks', '2', '--bytes', '65536', '--dtype', 'float32'];
    const output = await bench('all-reduce', ...flags);
    expect(output.stdout).toMatch(/│ of limit │/);
    expect(output.stdout).toMatch(/│ +2 │ +65536 │ float32 │.* \d+ % +│/);
    expect(output.stderr).toContain('Without Open MPI: not asked for.');
  });
});

describe('the benchmark of the barrier', () => {
  it('checks and measures every number of ranks', async () => {
    const lines = linesOf(await bench('barrier', '--smoke', '--json'));
    const times = { us: expect.any(Number), usMin: expect.any(Number), usP99: expect.any(Number) };
    expect(lines).toEqual(
      [1, 2].map((ranks) => ({ bench: 'barrier', ranks, ...times, peer: null })),
    );
  });
});

describe('the benchmark of batch normalization', () => {
  it('checks the kernels and prints a line with every field', async () => {
    const [line, ...others] = linesOf(await bench('norm', '--smoke', '--json'));
    expect(others).toEqual([]);
    expect(line).toEqual({
      bench: 'norm',
      shape: '2x32x14x14',
      msP50: expect.any(Number),
      msMin: expect.any(Number),
      gigabytesPerSecond: expect.any(Number),
      loopsGigabytesPerSecond: expect.any(Number),
      share: expect.any(Number),
      torchMs: null,
      torchChannelsLastMs: null,
      timesTorch: null,
      timesTorchChannelsLast: null,
    });
    const { msP50, msMin, gigabytesPerSecond } = line as Record<string, number>;
    expect(msMin).toBeLessThanOrEqual(msP50!);
    // 8 passes over 392 rows of 32 float32.
    expect((gigabytesPerSecond! * msP50! * 1e6) / (8 * 392 * 32 * 4)).toBeCloseTo(1, 2);
  });
});

describe('the benchmark of accuracy', () => {
  it('finds every normalization within the promised accuracy', async () => {
    const lines = linesOf(await bench('accuracy', '--smoke', '--json'));
    const norms = lines.filter((line) => line.bench === 'accuracy');
    expect(norms.map(({ norm }) => norm)).toContain('batchNorm, sync');
    for (const { y, dx, parameterGradients, running } of norms as Record<string, number>[]) {
      expect(y).toBeLessThanOrEqual(2);
      expect(dx).toBeLessThanOrEqual(4);
      expect(parameterGradients ?? 0).toBeLessThanOrEqual(4);
      expect(running ?? 0).toBeLessThanOrEqual(2);
    }
    const conditioning = lines.filter((line) => line.bench === 'conditioning');
    expect(conditioning).toHaveLength(3);
    for (const { relativeError } of conditioning as Record<string, number>[]) {
      expect(relativeError).toBeLessThanOrEqual(1e-6);
    }
  });

  it('finds direct convolutions more exact than Winograd, and none wrong', async () => {
    const lines = linesOf(await bench('accuracy', '--smoke', '--json'));
    const found = lines.filter((line) => line.bench === 'convolution accuracy');
    const rmsOf = (algorithm: string, pass: string): number => {
      const line = found.find((one) => one.algorithm === algorithm);
      return (line![pass] as { rms: number }).rms;
    };
    for (const pass of ['forward', 'inputGradient', 'weightGradient']) {
      expect(rmsOf('direct, strict', pass)).toBeLessThan(rmsOf('F(4x4), strict', pass) / 1.5);
      expect(rmsOf('F(4x4), strict', pass)).toBeLessThan(1e-6);
      expect(rmsOf('F(2x2), plain loops', pass)).toBeLessThan(1e-6);
    }
  });
});

describe('the command of the benchmarks', () => {
  it.each([
    {
      given: 'an unknown command',
      args: ['trian'],
      says: /command: expected train.*, got "trian"/,
    },
    { given: 'a folder without a build', args: ['against', '/nowhere'], says: /dist\/index\.js/ },
    { given: 'no command', args: [], says: /command: expected train, against.*, got "none"/ },
    { given: 'an unknown flag', args: ['train', '--fast'], says: /Unknown option `--fast`/ },
    {
      given: 'a bad value',
      args: ['train', '--norm', 'x'],
      says: /--norm: expected .*, got "x"/,
    },
    {
      given: 'a size that is no whole number of elements',
      args: ['all-reduce', '--bytes', '8,12'],
      says: /--bytes: expected multiples of 8.*, got 12/,
    },
  ])('refuses $given and says what is allowed', async ({ args, says }) => {
    const output = await bench(...args);
    expect(output.code).toBe(1);
    expect(output.stderr).toMatch(says);
    expect(output.stdout).toBe('');
  });
});

describe('the benchmark of data in chunks', () => {
  it('makes a set, trains on it, and measures steps next to those in memory', async () => {
    const dir = join(await mkdtemp(join(tmpdir(), 'syncbn-stream-')), 'set');
    const args = ['--gigabytes', '0.02', '--dir', dir, '--smoke', '--json'];
    const [line] = linesOf(await bench('stream', ...args));
    await rm(dirname(dir), { recursive: true });
    expect(line).toMatchObject({ bench: 'stream', gigabytes: 0.02 });
    for (const name of ['firstStepMs', 'epochSeconds', 'megabytesPeak', 'ratio']) {
      expect(line![name]).toBeGreaterThan(0);
    }
  });
});

describe('the benchmark of micro-batches', () => {
  it('measures all variants, which give the same bits', async () => {
    const lines = linesOf(await bench('micro', '--smoke', '--json'));
    expect(lines).toHaveLength(5);
    expect(new Set(lines.map(({ hash }) => hash)).size).toBe(1);
    expect(lines.map(({ parkedBytes }) => Number(parkedBytes) > 0)).toEqual([
      ...[false, false, false, false],
      true,
    ]);
  });
});

describe('the benchmark of predictions', () => {
  it('measures all variants, and refuses a folder without the peer', async () => {
    const lines = linesOf(await bench('predict', '--smoke', '--json'));
    expect(lines.map(({ side }) => side)).toEqual(['trainer', 'loaded', 'folded']);
    for (const { msMin } of lines) expect(msMin).toBeGreaterThan(0);
    const { code, stderr } = await bench('predict', '--smoke', '--onnx', 'bench');
    expect([code, stderr]).toEqual([1, expect.stringContaining('has no refnet.onnx')]);
  });
});
