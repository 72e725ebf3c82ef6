// NaN and infinity in the input of a normalization: they appear where they belong, are not an
// error, and change no bits elsewhere.

import { describe, expect, it } from 'vitest';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { MODES, testValues } from '../support/kernelFixture.ts';
import { type LayerRun, runLayer } from '../support/layers/harness.ts';

const CHANNELS = 9;
const ROWS = 6 * 6;
const SHARDS = [3, 5, 0];
const SAMPLES = 8;
const CHANNEL = 4;
const SAMPLE = 1;
const PLACE = (SAMPLE * ROWS + 7) * CHANNELS + CHANNEL;

const channelOf = (element: number): number => element % CHANNELS;
const sampleOf = (element: number): number => Math.floor(element / (ROWS * CHANNELS));

function runOf(spec: LayerSpec, value: number | undefined, mode: 'strict' | 'fast'): LayerRun {
  const length = SAMPLES * ROWS * CHANNELS;
  const x = testValues(length, 2, 1);
  if (value !== undefined) x[PLACE] = value;
  const dy = testValues(length, 1, 2);
  return { spec, inputShape: [6, 6, CHANNELS], shards: SHARDS, x, dy, mode };
}

/** Expects NaN exactly where told, and elsewhere the bits of the clean run. */
function expectNaNs(
  found: ArrayLike<number>,
  clean: ArrayLike<number>,
  isNaNAt: (element: number) => boolean,
): void {
  expect(found.length).toBe(clean.length);
  for (let i = 0; i < found.length; i++) {
    if (!Object.is(found[i], isNaNAt(i) ? Number.NaN : clean[i])) {
      expect.fail(`element ${i} is ${found[i]}, was ${clean[i]}`);
    }
  }
}

const VALUES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const CASES = MODES.flatMap((mode) => VALUES.map((value) => ({ mode, value })));

describe.each(CASES)('$value in one element, $mode build', ({ mode, value }) => {
  it('turns only its channel into NaN in the sync group', () => {
    const isHit = (element: number): boolean => channelOf(element) === CHANNEL;
    const spec = batchNorm(CHANNELS, { sync: 'all' });
    const clean = runLayer(runOf(spec, undefined, mode));
    const found = runLayer(runOf(spec, value, mode));
    expectNaNs(found.y, clean.y, isHit);
    expectNaNs(found.dx, clean.dx, isHit);
    const { gradients, buffers } = found;
    const weight = 'batchNorm.weight';
    expectNaNs(gradients[weight]!, clean.gradients[weight]!, (c) => c === CHANNEL);
    expect(gradients['batchNorm.bias']).toEqual(clean.gradients['batchNorm.bias']);
    const variance = 'batchNorm.runningVar';
    expectNaNs(buffers[variance]!, clean.buffers[variance]!, (c) => c === CHANNEL);
    expect(Number.isFinite(buffers['batchNorm.runningMean']![CHANNEL])).toBe(false);
  });

  it('stays in its replica if statistics are local', () => {
    const found = runLayer(runOf(batchNorm(CHANNELS), value, mode));
    const clean = runLayer(runOf(batchNorm(CHANNELS), undefined, mode));
    const isHit = (element: number): boolean =>
      channelOf(element) === CHANNEL && sampleOf(element) < SHARDS[0]!;
    expectNaNs(found.y, clean.y, isHit);
    expectNaNs(found.dx, clean.dx, isHit);
  });

  it('is not hidden by a relu that follows the norm', () => {
    const spec = sequential([batchNorm(CHANNELS, { sync: 'all' }), relu()]);
    const found = runLayer(runOf(spec, value, mode));
    const clean = runLayer(runOf(spec, undefined, mode));
    const isHit = (element: number): boolean => channelOf(element) === CHANNEL;
    expectNaNs(found.y, clean.y, isHit);
    expectNaNs(found.dx, clean.dx, isHit);
  });

  it('stays in its element in evaluation', () => {
    const { dy: _dy, ...run } = runOf(batchNorm(CHANNELS), value, mode);
    const { dy: _clean, ...cleanRun } = runOf(batchNorm(CHANNELS), undefined, mode);
    const found = runLayer({ ...run, training: false });
    const clean = runLayer({ ...cleanRun, training: false });
    expect(found.y[PLACE]).toBe(value);
    clean.y[PLACE] = value;
    expect(found.y).toEqual(clean.y);
  });

  const SETS: readonly (readonly [string, LayerSpec, (element: number) => boolean])[] = [
    ['group', groupNorm(3, CHANNELS), (e) => Math.floor(channelOf(e) / 3) === 1],
    ['channel', instanceNorm(CHANNELS), (e) => channelOf(e) === CHANNEL],
    ['row', layerNorm(CHANNELS), (e) => Math.floor(e / CHANNELS) === SAMPLE * ROWS + 7],
  ];
  it.each(SETS)('stays in the %s of its sample', (_set, spec, isInSet) => {
    const found = runLayer(runOf(spec, value, mode));
    const clean = runLayer(runOf(spec, undefined, mode));
    const isHit = (element: number): boolean => isInSet(element) && sampleOf(element) === SAMPLE;
    expectNaNs(found.y, clean.y, isHit);
    expectNaNs(found.dx, clean.dx, isHit);
  });
});
