import { describe, expect, it } from 'vitest';
import {
  groupNormSetsRef,
  layerNormSetsRef,
  normalizeGradRef,
  normalizeRef,
} from '../../src/kernels/reference/norm.ts';
import type { SampleCase, SampleFinding } from '../support/direct/job.ts';
import { onRanks } from '../support/direct/threads.ts';
import { testValues } from '../support/kernelFixture.ts';
import { worstUlps } from '../support/layers/harness.ts';

const EPS = 1e-5;
const OUTPUT_ULPS = 2;
const GRADIENT_ULPS = 4;

interface Sizes {
  readonly samples: number;
  readonly rowsPerSample: number;
  readonly channels: number;
  readonly numGroups: number;
}

const SIZES: readonly Sizes[] = [
  { samples: 4, rowsPerSample: 9, channels: 12, numGroups: 4 },
  { samples: 3, rowsPerSample: 1, channels: 513, numGroups: 3 },
  { samples: 2, rowsPerSample: 20, channels: 1, numGroups: 1 },
  { samples: 0, rowsPerSample: 4, channels: 6, numGroups: 2 },
];

/** Instance normalization of few values has gradients that cancel, exactly for one. */
const MIN_INSTANCE_ROWS = 5;

function makeCase(norm: SampleCase['norm'], sizes: Sizes, offset: number): SampleCase {
  const { samples, channels, numGroups } = sizes;
  const minRows = norm === 'instanceNorm' ? MIN_INSTANCE_ROWS : 1;
  const rowsPerSample = Math.max(sizes.rowsPerSample, minRows);
  const length = samples * rowsPerSample * channels;
  return {
    norm,
    channels,
    numGroups: norm === 'instanceNorm' ? channels : numGroups,
    rowsPerSample,
    x: testValues(length, 1.7, 3).map((value) => value + offset),
    dy: testValues(length, 1, 4),
    weight: testValues(channels, 1, 5).map((value) => value + 1.5),
    bias: testValues(channels, 1, 6),
  };
}

function setsOf({ norm, x, channels, rowsPerSample, numGroups }: SampleCase) {
  if (norm === 'layerNorm') return layerNormSetsRef(x.length / channels, channels);
  const samples = x.length / channels / rowsPerSample;
  return groupNormSetsRef(samples, rowsPerSample, channels, numGroups);
}

describe.each(['groupNorm', 'instanceNorm', 'layerNorm'] as const)('%s inside launch', (norm) => {
  it('is that of the formulas in float64, and exchanges nothing', async () => {
    const cases: SampleCase[] = SIZES.flatMap((sizes) => [
      makeCase(norm, sizes, 0),
      makeCase(norm, sizes, 1000),
    ]).flatMap((given) => {
      const { weight: _, bias: __, ...plain } = given;
      return [given, plain];
    });
    const [found] = await onRanks<SampleFinding[]>(2, 'samples', { cases });
    for (const [i, given] of cases.entries()) {
      const { y, evaluated, dx, weightGrad, biasGrad, calls } = found![i]!;
      const { x, dy, weight, bias, channels } = given;
      const affine = { eps: EPS, weight, bias };
      const exact = normalizeGradRef(x, dy, setsOf(given), affine);
      const title = `case ${i}, ${channels} channels`;
      expect(worstUlps(y, normalizeRef(x, setsOf(given), affine)), title).toBeLessThanOrEqual(
        OUTPUT_ULPS,
      );
      expect(evaluated).toEqual(y);
      expect(worstUlps(dx, exact.dx), title).toBeLessThanOrEqual(GRADIENT_ULPS);
      expect(worstUlps(weightGrad, exact.dweight), title).toBeLessThanOrEqual(GRADIENT_ULPS);
      expect(worstUlps(biasGrad, exact.dbias), title).toBeLessThanOrEqual(GRADIENT_ULPS);
      expect(calls).toEqual([0]);
    }
  });
});
