// Compares a layer without parameters with PyTorch's numbers (test/support/golden).

import { describe, expect, it } from 'vitest';
import type { LayerKind } from '../../../src/nn/layers/layer.ts';
import { type GoldenCase, loadGoldenLayers } from '../golden/load.ts';
import { MODES, ulps32 } from '../kernelFixture.ts';
import { bindAlone } from './parameterless.ts';

/** Both sides round once, and sigmoid and tanh take their derivative from an output that was
 * rounded. */
const ALLOWED_ULPS = 2;

/** Declares a test for each golden case of the kinds, and one that there are any. */
export function describeGolden(kinds: readonly { readonly kind: string }[]): void {
  const table = new Map(kinds.map((kind) => [kind.kind, kind as unknown as LayerKind<unknown>]));
  const cases = loadGoldenLayers().cases.filter(({ spec }) => table.has(spec.kind));
  describe.each(MODES)("PyTorch's numbers, %s build", (mode) => {
    it('cover every kind', () => {
      expect(new Set(cases.map(({ spec }) => spec.kind)).size).toBe(kinds.length);
    });
    it.each(cases.map((golden) => [golden.name, golden] as const))('%s', (_name, golden) => {
      const [capacity, ...inputShape] = golden.input.shape as [number, ...number[]];
      const kind = table.get(golden.spec.kind)!;
      const run = bindAlone(kind, golden.spec, { inputShape, capacity, mode });
      expect([capacity, ...run.outputShape]).toEqual(golden.output.shape);
      run.x.set(golden.input.data);
      run.layer.forward();
      expect(worstUlps(run.y, golden.output.data)).toBeLessThanOrEqual(ALLOWED_ULPS);
      run.dy.set(golden.outputGradient.data);
      run.layer.backward();
      expect(worstUlps(run.dx, golden.inputGradient.data)).toBeLessThanOrEqual(ALLOWED_ULPS);
    });
  });
}

/** In ulps of the tensor's largest magnitude. */
export function worstUlps(found: Float32Array, expected: GoldenCase['input']['data']): number {
  const scale = expected.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
  expect(found.length).toBe(expected.length);
  return found.reduce((worst, v, i) => Math.max(worst, ulps32(v, expected[i]!, scale)), 0);
}
