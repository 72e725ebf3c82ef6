// The float64 functions of src/kernels/assembly/math.ts, which the kernels use internally. The
// kernels do not export them, so the file is compiled separately, into a temporary folder, for both
// builds.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasRelaxedSimd } from '../../src/kernels/engine.ts';
import { erfcRef, erfRef } from '../../src/kernels/reference/pointwise.ts';

interface MathExports {
  expF64(x: number): number;
  logF64(x: number): number;
  tanhF64(x: number): number;
  erfF64(x: number): number;
}

const COMMON = [
  'src/kernels/assembly/math.ts',
  ...['-O3', '--noAssert', '--disableWarning', '--use', 'abort=', '--runtime', 'stub'],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--enable', 'simd', '--enable', 'threads'],
];

async function compileMath(flags: readonly string[]): Promise<MathExports> {
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-math-'));
  try {
    const outFile = join(folder, 'math.wasm');
    const { error, stderr } = await asc.main([...COMMON, ...flags, '--outFile', outFile]);
    if (error) throw new Error(stderr.toString());
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(readFileSync(outFile));
    return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as MathExports;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let own: MathExports;
let relaxed: MathExports;

beforeAll(async () => {
  own = await compileMath([]);
  relaxed = hasRelaxedSimd() ? await compileMath(['--enable', 'relaxed-simd']) : own;
});

/** Of both signs, from 2^low to 2^high, `steps` in each octave. */
function octaves(low: number, high: number, steps: number): number[] {
  const values: number[] = [];
  for (let k = low * steps; k < high * steps; k++)
    values.push(2 ** (k / steps), -(2 ** (k / steps)));
  return values;
}

function relativeError(found: number, expected: number): number {
  return Object.is(found, expected) ? 0 : Math.abs(found - expected) / Math.abs(expected);
}

/** x, and f(x) computed with 40 digits. */
const KNOWN: Record<keyof MathExports, readonly (readonly [number, number])[]> = {
  expF64: [
    [1e-10, 1.0000000001],
    [0.01, 1.010050167084168],
    [1, Math.E],
    [5, 148.4131591025766],
    [20, 485165195.4097903],
    [100, 2.6881171418161356e43],
    [700, 1.0142320547350045e304],
    [-1, 0.36787944117144233],
    [-20, 2.061153622438558e-9],
    [-700, 9.85967654375977e-305],
  ],
  logF64: [
    [1e-310, -713.8013788281542],
    [1e-5, -11.512925464970229],
    [0.5, -Math.LN2],
    [0.9999999, -1.0000000494736474e-7],
    [1.0000001, 9.999999505838704e-8],
    [2, Math.LN2],
    [10, Math.LN10],
    [1e300, 690.7755278982137],
  ],
  tanhF64: [
    [1e-10, 1e-10],
    [0.01, 0.00999966667999946],
    [0.3, 0.2913126124515909],
    [1, 0.7615941559557649],
    [3, 0.9950547536867305],
    [10, 0.9999999958776927],
  ],
  erfF64: [
    [0.001, 0.0011283787909692365],
    [0.1, 0.1124629160182849],
    [0.3, 0.3286267594591274],
    [0.5, 0.5204998778130465],
    [0.7, 0.6778011938374184],
    [1, 0.8427007929497149],
    [1.5, 0.9661051464753108],
    [2, 0.9953222650189527],
    [2.5, 0.999593047982555],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
  ],
};

describe('the float64 functions', () => {
  it.each(Object.entries(KNOWN))('%s is within 1e-15 of 40-digit values', (name, pairs) => {
    for (const [x, expected] of pairs) {
      expect(relativeError(own[name as keyof MathExports](x), expected)).toBeLessThan(1e-15);
    }
  });

  it('agree with the engine over their whole range', () => {
    for (const x of octaves(-30, 9.4, 50)) {
      expect(relativeError(own.expF64(x), Math.exp(x))).toBeLessThan(1e-15);
      expect(relativeError(own.tanhF64(x), Math.tanh(x))).toBeLessThan(1e-15);
    }
    for (const x of octaves(-1070, 1023, 3)) {
      if (x > 0) expect(relativeError(own.logF64(x), Math.log(x))).toBeLessThan(1e-15);
    }
    for (let x = 0.5; x < 2; x += 1 / 1024) {
      expect(relativeError(own.logF64(x), Math.log(x))).toBeLessThan(1e-15);
    }
  });

  it('erf is within 1e-14 of its series and continued fraction', () => {
    for (const x of octaves(-30, 3, 100)) {
      expect(relativeError(own.erfF64(x), erfRef(x))).toBeLessThan(1e-14);
    }
  });

  it('have the right limits at zero, at infinity and for NaN', () => {
    const { expF64, logF64, tanhF64, erfF64 } = own;
    expect([0, -0, 1e308, Infinity, 710, -746, -1e308, -Infinity, NaN].map(expF64)).toEqual([
      1,
      1,
      Infinity,
      Infinity,
      Infinity,
      0,
      0,
      0,
      NaN,
    ]);
    expect([1, 0, -0, -1, -Infinity, Infinity, NaN].map(logF64)).toEqual([
      0,
      -Infinity,
      -Infinity,
      NaN,
      NaN,
      Infinity,
      NaN,
    ]);
    for (const odd of [tanhF64, erfF64]) {
      expect([0, -0, 1e308, Infinity, -1e308, -Infinity, NaN].map(odd)).toEqual([
        0,
        -0,
        1,
        1,
        -1,
        -1,
        NaN,
      ]);
    }
  });

  it('exp covers the smallest subnormal number to the largest number', () => {
    expect(own.expF64(-745)).toBe(Number.MIN_VALUE);
    expect(own.expF64(709.782712893384)).toBeCloseTo(1.797693134862273e308, -295);
    expect(relativeError(own.expF64(-708), Math.exp(-708))).toBeLessThan(1e-15);
  });

  it('tanh and erf are odd, and linear in the smallest numbers', () => {
    for (const x of octaves(-30, 5, 20)) {
      expect(own.tanhF64(-x)).toBe(-own.tanhF64(x));
      expect(own.erfF64(-x)).toBe(-own.erfF64(x));
    }
    expect(own.tanhF64(1e-300)).toBe(1e-300);
    expect(relativeError(own.erfF64(1e-300), 2e-300 / Math.sqrt(Math.PI))).toBeLessThan(1e-15);
  });

  it('have the same bits in the strict and the fast build', () => {
    for (const name of Object.keys(KNOWN) as (keyof MathExports)[]) {
      for (const x of octaves(-20, 9, 20)) expect(relaxed[name](x)).toBe(own[name](x));
    }
  });
});

describe('the twins', () => {
  it.each([
    [0.5, 0.4795001221869535],
    [2, 0.004677734981047266],
    [2.5, 0.0004069520174449589],
    [3, 2.209049699858544e-5],
    [5, 1.537459794428035e-12],
    [-1, 1.8427007929497148],
  ])('erfcRef(%d) is within 3e-13 of its 40-digit value', (x, expected) => {
    expect(relativeError(erfcRef(x), expected)).toBeLessThan(3e-13);
  });
});
