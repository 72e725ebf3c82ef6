import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { customKindOf } from '../../src/nn/layers/customKind.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { loadModules } from '../../src/nn/specs/modules.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
  sampleRun,
} from '../support/layers/proofs.ts';

const MODULE = new URL('../support/layers/channelScale.mjs', import.meta.url);
await loadModules([MODULE.href], true);

const spec = custom(MODULE, { start: 2 });
const CASES: readonly ProofCase[] = [
  { name: 'images', spec, inputShape: [2, 3, 5] },
  { name: 'vectors', spec, inputShape: [4] },
];

describe('a custom layer', () => {
  describeReference(CASES, { ...FLOAT32_SUMS, wide: 1e-12 });
  describeDifferences(CASES);

  it('gets its options, and its parameters start as it specifies', () => {
    const run = sampleRun(CASES[1]!, [2]);
    const { parameters: _given, ...bare } = run;
    const { y, parameters } = runLayer(bare);
    expect(parameters['custom.scale']).toEqual(new Float32Array(4).fill(2));
    expect(y).toEqual(run.x.map((value) => 2 * value));
  });

  it('has unknown shapes while its module is not loaded', () => {
    const kind = customKindOf(custom('file:///not/loaded.mjs'));
    expect(kind.outputShape(custom('file:///not/loaded.mjs'), [2, 3], '0.custom')).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
  });

  const ring: { self?: unknown } = {};
  ring.self = ring;
  const hidden = Object.defineProperty({}, 'a', { value: 1, enumerable: false });
  it.each<[string, unknown, string | RegExp]>([
    ['a Map', { a: new Map([[1, 2]]) }, /\.a: expected .*, got a Map/],
    ['a Set', new Set([1]), /: expected .*, got a Set/],
    ['a Date', [new Date(0)], /\[0\]: expected .*, got a Date/],
    [
      'a typed array',
      { a: [new Uint8Array(2)] },
      /\.a\[0\]: expected .*, got Uint8Array of 2 bytes/,
    ],
    ['an instance', { a: new (class Net {})() }, /\.a: expected .*, got a Net/],
    ['a function', { a: { b: () => 1 } }, /\.a\.b: expected .*, got the function b/],
    ['undefined', { a: undefined }, /\.a: expected .*, got undefined/],
    ['NaN', { a: [1, Number.NaN] }, /\.a\[1\]: expected .*, got NaN/],
    ['Infinity', { a: Number.POSITIVE_INFINITY }, /\.a: expected .*, got Infinity/],
    ['-0', { a: -0 }, /\.a: expected .*, got -0/],
    ['a bigint', 1n, /: expected .*, got 1n/],
    ['a symbol', [Symbol('s')], /\[0\]: expected .*, got Symbol\(s\)/],
    // biome-ignore lint/suspicious/noSparseArray: holes are what this refuses
    ['a hole', { a: [1, , 3] }, /\.a: expected .*, got \[/],
    ['a list with a field', { a: Object.assign([1], { b: 1 }) }, /\.a: expected .*, got \[1\]/],
    ['a field named by a symbol', { [Symbol('s')]: 1 }, /\.Symbol\(s\): expected .*, got \{/],
    ['a field that is not listed', hidden, /\.a: expected .*, got \{/],
    ['__proto__', JSON.parse('{"__proto__": 1}'), /\.__proto__: expected .*, got \{/],
    ['a broken surrogate', { a: '\ud800' }, /\.a: expected .*, got "/],
    ['what contains itself', ring, 'is nested too deeply'],
    [
      'an accessor',
      {
        get a(): number {
          throw new Error('no');
        },
      },
      /\.a: expected .*, got a value that cannot/,
    ],
  ])('refuses options with %s and says where', (_name, options, message) => {
    const make = () => custom('a-package', options);
    expect(make).toThrow(UsageError);
    expect(make).toThrow('options of a custom layer');
    expect(make).toThrow(message);
  });

  it('has options that survive JSON unchanged', () => {
    fc.assert(
      fc.property(
        fc.anything({ withSparseArray: true, withMap: true, withDate: true }),
        (given) => {
          let options: unknown;
          try {
            options = custom('a-package', given).options;
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
            return;
          }
          expect(JSON.parse(JSON.stringify(options))).toStrictEqual(options);
          expect(options).toEqual(given ?? null);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('needs a URL, an existing module, and a function as its default export', async () => {
    expect(() => custom('./swish.js')).toThrow(UsageError);
    const missing = new URL('./missing.mjs', import.meta.url).href;
    await expect(loadModules([missing], true)).rejects.toThrow('cannot be imported: ');
    const plain = new URL('../support/layers/proofs.ts', import.meta.url).href;
    await expect(loadModules([plain], true)).rejects.toThrow('got "undefined"');
  });
});
