// Statistics of whole splits against closed forms.

import { describe, expect, it } from 'vitest';
import { byteStatistics, floatStatistics } from '../../src/data/statistics.ts';

describe('byteStatistics', () => {
  it.each([1, 2, 3])('is exact for every byte once in each of %d channels', (channels) => {
    const values = Uint8Array.from({ length: 256 * channels }, (_, i) => Math.floor(i / channels));
    const { mean, std } = byteStatistics(values, channels);
    // Uniform on 0..255: mean 127.5, biased variance (256^2 - 1) / 12.
    for (let c = 0; c < channels; c++) {
      expect(mean[c]).toBe(0.5);
      expect(std[c]).toBeCloseTo(Math.sqrt(65535 / 12) / 255, 15);
    }
  });

  it('keeps channels apart and gives a constant channel std 1', () => {
    const { mean, std } = byteStatistics(Uint8Array.of(0, 51, 255, 51), 2);
    expect(mean).toEqual([0.5, 0.2]);
    expect(std).toEqual([0.5, 1]);
  });

  it('does not lose a deviation of one value in a million', () => {
    const values = new Uint8Array(1_000_000).fill(255);
    values[77] = 254;
    // Variance of one deviating value: p (1 - p) with p = 10^-6.
    const { std } = byteStatistics(values, 1);
    expect(std[0]! * 255).toBeCloseTo(Math.sqrt(1e-6 * (1 - 1e-6)), 15);
  });
});

describe('floatStatistics', () => {
  it('keeps its digits when the mean is a million times the standard deviation', () => {
    const values = Float32Array.from(
      { length: 4096 },
      (_, i) => 1_000_000 + (i % 2 === 0 ? -1 : 1),
    );
    const { mean, std } = floatStatistics(values, 1);
    expect(mean).toEqual([1_000_000]);
    expect(std).toEqual([1]);
  });

  it('keeps channels apart and gives a constant channel std 1', () => {
    const { mean, std } = floatStatistics(Float32Array.of(1, 7, 5, 7), 2);
    expect(mean).toEqual([3, 7]);
    expect(std).toEqual([2, 1]);
  });
});
