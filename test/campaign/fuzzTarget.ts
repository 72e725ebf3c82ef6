// What the fuzzing is made of: something to damage, and what reads it.

import type { Dice } from './dice.ts';

/** One damaged input on its way to its reader. */
export interface Attempt {
  /** What to look at when it goes wrong. */
  readonly input: Uint8Array | string;
  /** Resolves or throws a UsageError; anything else is a fault. */
  read(): Promise<unknown>;
}

export interface Target {
  readonly format: string;
  attempt(dice: Dice): Attempt;
}
