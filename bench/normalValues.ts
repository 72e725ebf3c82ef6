// Float32 numbers of a standard normal distribution, the same in every run.

import { Purpose, RandomStream } from '../src/base/random.ts';

/** `stream` distinguishes arrays. */
export function normalValues(length: number, stream: number): Float32Array {
  const random = new RandomStream().reset(1, Purpose.synthetic, stream, 0);
  return Float32Array.from({ length }, () => random.nextNormal());
}
