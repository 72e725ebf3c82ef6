// Compares two builds of this library in one process: they take turns of a tenth of a second or
// less, so that a drifting machine affects both, and results follow from the ratios of the turns.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { summarize } from './stats.ts';
import type { TrainSetting } from './train.ts';
import { datasetOf, type Library, startTrainer, timeSteps, warmUp } from './train.ts';

const TURN_SECONDS = 0.1;

export interface TurnTimes {
  /** Measured for each side. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** The least number of turns, however long they take. */
  readonly minTurns: number;
}

/** The times of both sides, in milliseconds; for each turn, how many times as fast the first is. */
export interface Turns {
  readonly ms: number;
  readonly otherMs: number;
  readonly ratios: readonly number[];
}

/** Lets both sides measure themselves, in milliseconds, one after the other. */
export async function takeTurns(
  turns: number,
  own: () => number | Promise<number>,
  other: () => number | Promise<number>,
): Promise<Turns> {
  const [ownMs, otherMs]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    const sides = [[own, ownMs] as const, [other, otherMs] as const];
    // The second side finds caches that the first has filled, so they alternate in that, too.
    if (turn % 2 === 1) sides.reverse();
    for (const [measure, ms] of sides) ms.push(await measure());
  }
  return {
    ms: summarize(ownMs).p50,
    otherMs: summarize(otherMs).p50,
    ratios: ownMs.map((ms, turn) => otherMs[turn]! / ms),
  };
}

/** A build of this library, and the setting that it trains. */
export type TrainSide = readonly [Library, TrainSetting];

/** Trains with both sides alternately. */
export async function trainInTurns(
  [library, setting]: TrainSide,
  [otherLibrary, otherSetting]: TrainSide,
  times: TurnTimes,
): Promise<Turns> {
  const own = await startTrainer(library, setting, datasetOf(library, setting));
  try {
    const data = datasetOf(otherLibrary, otherSetting);
    const other = await startTrainer(otherLibrary, otherSetting, data);
    try {
      const stepSeconds = await warmUp(own, times.warmUpSeconds);
      await warmUp(other, times.warmUpSeconds);
      const steps = Math.max(1, Math.round(TURN_SECONDS / stepSeconds));
      const turns = Math.max(times.minTurns, Math.round(times.seconds / (steps * stepSeconds)));
      const msOf = (trainer: typeof own) => async () => (await timeSteps(trainer, steps)) * 1000;
      return await takeTurns(turns, msOf(own), msOf(other));
    } finally {
      await other.close();
    }
  } finally {
    await own.close();
  }
}

/** The library that was built in the repository at `dir`; undefined if there is no build. */
export async function loadBuild(dir: string): Promise<Library | undefined> {
  const file = join(resolve(dir), 'dist', 'index.js');
  if (!existsSync(file)) return undefined;
  return (await import(pathToFileURL(file).href)) as Library;
}
