// The only source of randomness of a campaign. Each case has its own dice, which depend only on
// (seed, campaign, index), so a case can be repeated without those before it.

import { RandomStream } from '../../src/base/random.ts';

/** Above the purposes of base/random.ts. */
const FIRST_PURPOSE = 1000;

export class Dice {
  private readonly stream: RandomStream;

  /** `campaign` is the campaign's number, `index` the case's. */
  constructor(seed: number, campaign: number, index: number) {
    this.stream = new RandomStream().reset(seed, FIRST_PURPOSE + campaign, 0, index);
  }

  /** A whole number from 0 to bound - 1. */
  below(bound: number): number {
    return this.stream.nextBelow(bound);
  }

  /** A whole number between the two, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** A number in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.stream.nextUniform();
  }

  chance(probability: number): boolean {
    return this.stream.nextUniform() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}
