// Times runs of this machine alternately: short rounds that give every run a turn, in a different
// order each time. A run is rated by its time over that of the first run in the same round, so that
// a busy phase of the machine affects both; the result is the median of these ratios. All runs are
// started beforehand and sleep between their turns.

import { InvariantError } from '../base/errors.ts';
import { medianOf } from '../base/median.ts';
import type { Trainer } from '../runtime/trainer.ts';

/** More epochs than any run reaches. */
const EPOCHS = 1_000_000;
/** Steps of a run before its turns. */
export const WARM_UP_STEPS = 10;

/** Warms a run up; returns about how many of its steps take `turnMs` milliseconds. */
export async function stepsOfTurn(trainer: Trainer, turnMs: number): Promise<number> {
  await stepMs(trainer, WARM_UP_STEPS / 2);
  return Math.max(1, Math.round(turnMs / (await stepMs(trainer, WARM_UP_STEPS / 2))));
}

/** Trains a number of steps and returns the milliseconds of each. */
export async function stepMs(trainer: Trainer, steps: number): Promise<number> {
  const maxSteps = trainer.step + steps;
  const startMs = performance.now();
  let loss = Number.NaN;
  for await (const progress of trainer.fit({ epochs: EPOCHS, maxSteps })) loss = progress.loss;
  const ms = (performance.now() - startMs) / steps;
  // A run with invalid numbers is not worth timing.
  if (Number.isFinite(loss) && trainer.step === maxSteps) return ms;
  throw new InvariantError('loss of a timed run', loss, `a number after step ${maxSteps}`);
}

/** Milliseconds per step of each, one figure per round. */
export async function timeInTurns<Turn>(
  turns: ReadonlyMap<Turn, () => Promise<number>>,
  rounds: number,
): Promise<ReadonlyMap<Turn, readonly number[]>> {
  const names = [...turns.keys()];
  const times = new Map<Turn, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]!;
      times.get(name)!.push(await turns.get(name)!());
    }
  }
  return times;
}

/** Returns a function for the typical milliseconds of each turn, based on those of `base`. */
export function typicalOf<Turn>(
  times: ReadonlyMap<Turn, readonly number[]>,
  base: Turn,
): (turn: Turn) => number {
  const baseMs = times.get(base)!;
  const typicalMs = medianOf(baseMs);
  return (turn) => typicalMs * medianOf(times.get(turn)!.map((ms, round) => ms / baseMs[round]!));
}
