import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { custom, customKindOf } from '../../src/nn/custom.ts';
import { loadModules } from '../../src/nn/modules.ts';
import { runLayer } from './harness.ts';
import {
  describeDifferences,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
  sampleRun,
} from './proofs.ts';

const MODULE = new URL('./channelScale.mjs', import.meta.url);
await loadModules([MODULE.href], true);

const spec = custom(MODULE, { start: 2 });
const CASES: readonly ProofCase[] = [
  { name: 'images', spec, inputShape: [2, 3, 5] },
  { name: 'vectors', spec, inputShape: [4] },
];

describe('a custom layer', () => {
  describeReference(CASES, { ...FLOAT32_SUMS, wide: 1e-12 });
  describeDifferences(CASES);

  it('is handed its options, and its parameters start as it says', () => {
    const run = sampleRun(CASES[1]!, [2]);
    const { parameters: _given, ...bare } = run;
    const { y, parameters } = runLayer(bare);
    expect(parameters['custom.scale']).toEqual(new Float32Array(4).fill(2));
    expect(y).toEqual(run.x.map((value) => 2 * value));
  });

  it('whose module is not loaded yet has unknown shapes', () => {
    const kind = customKindOf(custom('file:///not/loaded.mjs'));
    expect(kind.outputShape(custom('file:///not/loaded.mjs'), [2, 3], '0.custom')).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
  });

  it('needs a URL, a module that is there, and a function as its default export', async () => {
    expect(() => custom('./swish.js')).toThrow(UsageError);
    const missing = new URL('./missing.mjs', import.meta.url).href;
    await expect(loadModules([missing], true)).rejects.toThrow('a module that can be imported');
    const plain = new URL('./proofs.ts', import.meta.url).href;
    await expect(loadModules([plain], true)).rejects.toThrow('got "undefined"');
  });
});
