// Which build of the kernels runs, and why not the wide one, on simulated engines.

import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type { KernelBuild } from '../../src/kernels/builds.ts';
import { createFixture } from '../support/kernelFixture.ts';

const DATA = { train: 8, test: 8, shape: [4, 4, 1], classes: 4, seed: 3 } as const;

const { engine } = vi.hoisted(() => ({
  engine: {
    /** What is missing to pack vectors. */
    lacks: undefined as string | undefined,
    hasRelaxedSimd: true,
    /** Whether vectors are packed, as the flag says. */
    isPacking: false,
    /** What is read for the wide build. */
    wideFile: 'wide',
  },
}));

vi.mock('../../src/kernels/engine.ts', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  hasRelaxedSimd: () => engine.hasRelaxedSimd,
  lacksForRevectorizing: () => engine.lacks,
  revectorize: (isOn: boolean) => {
    engine.isPacking = isOn;
  },
  optimizingAtOnce: (work: () => unknown) => work(),
}));
vi.mock('../../src/kernels/binaries.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/kernels/binaries.ts')>();
  const kernelBytes = (file: string) =>
    original.kernelBytes(file === 'wide' ? engine.wideFile : file);
  return { ...original, kernelBytes };
});

createFixture('strict', 1);
const real = await vi.importActual<typeof import('../../src/kernels/engine.ts')>(
  '../../src/kernels/engine.ts',
);
const hasRelaxedSimd = real.hasRelaxedSimd();

beforeEach(() => {
  Object.assign(engine, { lacks: undefined, hasRelaxedSimd, isPacking: false, wideFile: 'wide' });
  vi.stubEnv('SYNCBN_WIDE', undefined);
  // The choice is made once in a process.
  vi.resetModules();
});
afterEach(() => vi.unstubAllEnvs());

async function choose(mode: 'fast' | 'strict') {
  const { chooseBuild } = await import('../../src/kernels/builds.ts');
  return chooseBuild(mode);
}

describe('the build in mode fast', () => {
  it.runIf(hasRelaxedSimd)('is the wide one if the engine packs vectors', async () => {
    expect(await choose('fast')).toEqual({ build: 'wide', whyNotWide: undefined });
    expect(engine.isPacking).toBe(true);
  });

  it('is the fast one if something is missing, and says what', async () => {
    Object.assign(engine, { lacks: 'the moon is full', hasRelaxedSimd: true });
    expect(await choose('fast')).toEqual({ build: 'fast', whyNotWide: 'the moon is full' });
    expect(engine.isPacking).toBe(false);
  });

  it('is the strict one without relaxed SIMD', async () => {
    engine.hasRelaxedSimd = false;
    expect(await choose('fast')).toMatchObject({
      build: 'strict',
      whyNotWide: expect.stringMatching(/no relaxed SIMD/),
    });
  });

  it.each<[string, KernelBuild]>([
    ['0', 'fast'],
    ['1', 'wide'],
    ['', 'wide'],
  ])('with SYNCBN_WIDE=%s is %s', async (value, build) => {
    vi.stubEnv('SYNCBN_WIDE', value);
    if (hasRelaxedSimd) expect((await choose('fast')).build).toBe(build);
    expect((await choose('strict')).build).toBe('strict');
  });

  it('is refused for other values of SYNCBN_WIDE', async () => {
    vi.stubEnv('SYNCBN_WIDE', 'off');
    await expect(choose('fast')).rejects.toThrow(
      /^SYNCBN_WIDE: expected .*0 \(do not use.*, got "off"/,
    );
    await expect(choose('strict')).rejects.toThrow(/SYNCBN_WIDE/);
  });

  it.runIf(hasRelaxedSimd)('is the fast one if the wide one has different bits', async () => {
    // Without fused multiply-add: different bits, as from a bug in the engine.
    engine.wideFile = 'strict';
    expect(await choose('fast')).toEqual({
      build: 'fast',
      differing: 'convTilesF32',
      whyNotWide: 'packed vectors gave different bits in convTilesF32',
    });
    expect(engine.isPacking).toBe(false);
    const { noticesOf } = await import('../../src/runtime/notices.ts');
    const { resolveOptions } = await import('../../src/runtime/trainerOptions.ts');
    const { namedModel } = await import('../../src/nn/models/models.ts');
    const { sgd } = await import('../../src/optim/optimizer.ts');
    const data = synthetic(DATA);
    const model = namedModel('refnet', { inputShape: data.inputShape, classes: 4 });
    const options = { model, data, optimizer: sgd({ lr: 0.1 }), replicas: 1, globalBatch: 8 };
    const config = resolveOptions(options);
    const notices = noticesOf({ config, data, norm: undefined, resumed: undefined });
    expect(notices).toContainEqual(expect.stringMatching(/^The fast kernels run.*convTilesF32/));
  });
});

describe('the numeric identity', () => {
  it.runIf(hasRelaxedSimd)('is the same for the wide and the fast build', async () => {
    const { kernelsOf } = await import('../../src/kernels/identity.ts');
    const wide = kernelsOf('fast');
    vi.stubEnv('SYNCBN_WIDE', '0');
    expect(kernelsOf('fast')).toBe(wide);
    expect(wide).toMatch(/^fast [0-9a-f]{16}$/);
    expect(kernelsOf('strict')).toMatch(/^strict [0-9a-f]{16}$/);
  });
});

describe('the engine', () => {
  it.runIf(hasRelaxedSimd)('tells whether the processor fuses multiply-add', () => {
    if (process.arch === 'arm64') expect(real.fusesMultiplyAdd()).toBe(true);
    else if (existsSync('/proc/cpuinfo')) {
      const hasFma = /^flags.*\bfma\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
      expect(real.fusesMultiplyAdd()).toBe(hasFma);
    }
  });

  it('packs vectors from Node 24 on, on x64', () => {
    const isOld = Number.parseInt(process.versions.node, 10) < 24;
    const lacking = real.lacksForRevectorizing();
    if (isOld) expect(lacking).toMatch(/^Node 24 or later packs vectors, this is \d+\./);
    else if (process.arch !== 'x64') expect(lacking).toContain(process.arch);
    else expect(lacking ?? 'fused multiply-add').toMatch(/fused multiply-add|built without/);
  });
});
