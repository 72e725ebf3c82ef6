// The arithmetic of reductions at its edges: NaN, zeros, wrapping.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { fold, type NumberArray, type ReduceOp, typeOf } from '../../src/sync/fold.ts';

function folded<T extends NumberArray>(op: ReduceOp, a: T, b: T): T {
  fold(op, a, b, a.length);
  return a;
}

describe('fold', () => {
  it('takes NaN along in every operation', () => {
    for (const op of ['sum', 'mean', 'min', 'max', 'prod'] as const) {
      const result = folded(
        op,
        new Float32Array([Number.NaN, 1]),
        new Float32Array([1, Number.NaN]),
      );
      expect([...result]).toEqual([Number.NaN, Number.NaN]);
    }
  });

  it('orders the zeros: -0 is below +0', () => {
    expect([...folded('min', new Float64Array([0]), new Float64Array([-0]))]).toEqual([-0]);
    expect([...folded('max', new Float64Array([-0]), new Float64Array([0]))]).toEqual([0]);
  });

  it('wraps int32 modulo 2^32, also products beyond 2^53', () => {
    const [sum] = folded('sum', new Int32Array([2 ** 31 - 1]), new Int32Array([1]));
    const [product] = folded('prod', new Int32Array([123_456_789]), new Int32Array([987_654_321]));
    expect(sum).toBe(-(2 ** 31));
    expect(product).toBe(Number(BigInt.asIntN(32, 123_456_789n * 987_654_321n)));
  });

  it('leaves alone what lies behind the count', () => {
    const array = new Float32Array([1, 2, 3]);
    fold('sum', array, new Float32Array([10, 10, 10]), 2);
    expect([...array]).toEqual([11, 12, 3]);
  });
});

describe('typeOf', () => {
  it('knows three types and names what else it is given', () => {
    expect(typeOf('x', new Int32Array(1))).toBe('int32');
    expect(() => typeOf('the array', [1, 2])).toThrow(UsageError);
    expect(() => typeOf('the array', new BigInt64Array(1))).toThrow('BigInt64Array');
  });
});
