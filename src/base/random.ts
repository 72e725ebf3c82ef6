// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
// numbers: as easy as 1, 2, 3"). A value depends only on (seed, purpose, step, sample, index), so
// the order in which threads request values does not matter.

/** What a random number is for; numbers of different purposes are independent. */
export const Purpose = {
  init: 1,
  shuffle: 2,
  augment: 3,
  dropout: 4,
  synthetic: 5,
  subset: 6,
  heldOut: 12,
  mix: 7,
  shards: 13,
  scenes: 14,
} as const;

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Writes the four 32-bit words of one Philox block into `out`.
 * The counter is (c0, c1, c2, c3), the key (k0, k1). */
export function philox(
  out: Uint32Array,
  counter: { c0: number; c1: number; c2: number; c3: number },
  key: { k0: number; k1: number },
): void {
  let { c0, c1, c2, c3 } = counter;
  let { k0, k1 } = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carried = (middle % 0x10000) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)) | 0;
}

/** Random numbers for one (seed, purpose, step, sample), addressed by index or drawn in order. */
export class RandomStream {
  private readonly block = new Uint32Array(4);
  private readonly counter = { c0: 0, c1: 0, c2: 0, c3: 0 };
  private readonly key = { k0: 0, k1: 0 };
  private next = 0;

  /** Points the stream at (seed, purpose, step, sample) and at its first number. */
  reset(seed: number, purpose: number, step: number, sample: number): this {
    this.key.k0 = seed | 0;
    this.key.k1 = purpose;
    this.counter.c1 = sample;
    this.counter.c2 = step;
    this.counter.c3 = Math.floor(seed / 2 ** 32) | 0;
    this.next = 0;
    return this;
  }

  /** The next 32 random bits, as an unsigned number. */
  nextUint32(): number {
    return this.block[this.nextLane()]!;
  }

  /** Uniform in [0, 1), a multiple of 2^-32. */
  nextUniform(): number {
    return this.block[this.nextLane()]! / 2 ** 32;
  }

  /** {@link nextUniform} into an array, as {@link logInPlace}. */
  uniformInto(numbers: Float64Array, at: number): void {
    numbers[at] = this.block[this.nextLane()]! / 2 ** 32;
  }

  /** Uniform whole number in [0, bound); bound <= 2^32. The bias is below bound / 2^32. */
  nextBelow(bound: number): number {
    return Math.floor((this.block[this.nextLane()]! / 2 ** 32) * bound);
  }

  /** The index of the next word in the block. Callers read it from there, since a returned word may
   * be too large for a small integer and would be heap-allocated. */
  private nextLane(): number {
    const lane = this.next & 3;
    if (lane === 0) {
      this.counter.c0 = this.next >>> 2;
      philox(this.block, this.counter, this.key);
    }
    this.next++;
    return lane;
  }

  /** Standard normal by Marsaglia's polar method, using only additions, products, square roots and
   * {@link portableLog}, so that the bits are the same everywhere. */
  nextNormal(): number {
    for (;;) {
      const u = 2 * this.nextUniform() - 1;
      const v = 2 * this.nextUniform() - 1;
      const s = u * u + v * v;
      if (s > 0 && s < 1) return u * Math.sqrt((-2 * portableLog(s)) / s);
    }
  }
}

/** Natural logarithm of a positive normal number, from IEEE-exact operations only: with x = m 2^e,
 * m in [sqrt(1/2), sqrt(2)), and s = (m-1)/(m+1), log x = e log 2 + 2 (s + s^3/3 + ...). */
export function portableLog(x: number): number {
  single[0] = x;
  logInPlace(single, 0);
  return single[0]!;
}

const single = new Float64Array(1);

/** {@link portableLog} of a number in an array, for code that must not allocate: numbers passed
 * between functions could be heap-allocated. */
export function logInPlace(numbers: Float64Array, at: number): void {
  let mantissa = numbers[at]!;
  let exponent = 0;
  while (mantissa >= Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let series = 0;
  // |s| < 0.172, so the term s^23/23 is below 2^-60 of the sum.
  for (let power = 21; power >= 1; power -= 2) series = series * square + 1 / power;
  numbers[at] = exponent * Math.LN2 + 2 * s * series;
}

/** e^x of a number of at most 0, from IEEE-exact operations only: with x = k log 2 + r,
 * |r| <= log 2 / 2, the series of e^r, halved -k times. Below e^-700 it is 0. */
export function portableExp(x: number): number {
  single[0] = x;
  expInPlace(single, 0);
  return single[0]!;
}

/** {@link portableExp} of a number in an array, as {@link logInPlace}. */
export function expInPlace(numbers: Float64Array, at: number): void {
  const x = numbers[at]!;
  if (!(x >= -700)) {
    numbers[at] = 0;
    return;
  }
  let halvings = Math.round(-x / Math.LN2);
  const rest = x + halvings * Math.LN2;
  let series = 1;
  // |r| < 0.347, so the term r^15/15! is below 2^-60 of the sum.
  for (let power = 14; power >= 1; power--) series = 1 + (series * rest) / power;
  for (; halvings > 0; halvings--) series /= 2;
  numbers[at] = series;
}
