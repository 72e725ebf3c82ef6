// The schedule of the learning rate that the flags ask for.

import { UsageError } from '../../base/errors.ts';
import { MONITORS } from '../../optim/monitor.ts';
import {
  parseSchedule,
  SCHEDULE_NAMES,
  type ScheduleName,
  type SchedulePoint,
  type ScheduleSpec,
  scheduleOptionsOf,
} from '../../optim/schedule.ts';
import type { Flags } from './flags.ts';
import { flagWord, type KindFlag, optionsOfKind } from './kindFlags.ts';

const number = (flags: Flags, flag: string): unknown => flags.number(flag, 0);

/** The flags that are options of schedules. */
export const SCHEDULE_FLAGS: readonly KindFlag[] = [
  { flag: 'warmup-steps', option: 'warmupSteps', read: (flags, flag) => flags.integer(flag, 0) },
  { flag: 'warmup-epochs', option: 'warmupEpochs', read: number },
  {
    flag: 'schedule-unit',
    option: 'unit',
    read: (flags, flag) => flags.choice(flag, ['steps', 'epochs']),
  },
  { flag: 'step-size', option: 'stepSize', read: (flags, flag) => flags.integer(flag, 1) },
  { flag: 'milestones', option: 'milestones', read: (flags, flag) => flags.numbers(flag) },
  { flag: 'gamma', option: 'gamma', read: number },
  { flag: 'min-lr', option: 'minLr', read: number },
  { flag: 'power', option: 'power', read: number },
  { flag: 'pct-start', option: 'pctStart', read: number },
  { flag: 'div-factor', option: 'divFactor', read: number },
  { flag: 'final-div-factor', option: 'finalDivFactor', read: number },
  {
    flag: 'anneal-strategy',
    option: 'annealStrategy',
    read: (flags, flag) => flags.choice(flag, ['cos', 'linear']),
  },
  { flag: 'period', option: 'period', read: (flags, flag) => flags.integer(flag, 1) },
  { flag: 'period-factor', option: 'multiplier', read: (flags, flag) => flags.integer(flag, 1) },
  { flag: 'points', option: 'points', read: pointsFrom },
  { flag: 'factor', option: 'factor', read: number },
  { flag: 'lr-patience', option: 'patience', read: (flags, flag) => flags.integer(flag, 0) },
  // Also a flag of early stopping.
  { flag: 'monitor', option: 'monitor', read: (flags, flag) => monitorOf(flags, flag) },
];

const SCHEDULE_WORDS: readonly string[] = SCHEDULE_NAMES.map(flagWord);

/** Required options of a schedule, and how they are typed. */
const NEEDED: Partial<
  Readonly<Record<ScheduleName, { readonly flag: string; readonly hint: string }>>
> = {
  exponential: { flag: 'gamma', hint: '--gamma 0.95 --schedule-unit epochs' },
  points: { flag: 'points', hint: '--points 0:0.1,5:1,30:0 --schedule-unit epochs' },
  warmRestarts: { flag: 'period', hint: '--period 10 --schedule-unit epochs' },
};

/** The schedule; constant if none is named. */
export function scheduleFrom(flags: Flags): ScheduleSpec {
  const word = flags.choice('schedule', SCHEDULE_WORDS) ?? 'constant';
  const kind = SCHEDULE_NAMES.find((name) => flagWord(name) === word)!;
  const given = optionsOfKind(flags, SCHEDULE_FLAGS, {
    ...{ chooser: 'schedule', kinds: SCHEDULE_NAMES, chosen: kind },
    optionsOf: scheduleOptionsOf,
  });
  if (kind === 'step' && given.stepSize === undefined && given.milestones === undefined) {
    throw new UsageError({
      what: '--schedule step',
      problem: 'requires --step-size or --milestones',
      hint: '--step-size 500',
    });
  }
  const needed = NEEDED[kind];
  if (needed !== undefined && !flags.has(needed.flag)) {
    const { flag, hint } = needed;
    throw new UsageError({ what: `--schedule ${word}`, problem: `requires --${flag}`, hint });
  }
  return parseSchedule({ kind, ...given });
}

function monitorOf(flags: Flags, flag: string): unknown {
  return flags.text('schedule') === 'plateau' ? flags.choice(flag, MONITORS) : undefined;
}

/** `0:0.1,5:1,30:0` as pairs of position and factor. */
function pointsFrom(flags: Flags, flag: string): readonly SchedulePoint[] | undefined {
  return flags
    .text(flag)
    ?.split(',')
    .map((pair) => {
      const [at, factor, ...rest] = pair
        .split(':')
        .map((word) => (word === '' ? Number.NaN : +word));
      if (rest.length === 0 && Number.isFinite(at) && Number.isFinite(factor)) {
        return [at!, factor!] as const;
      }
      throw new UsageError({
        what: `--${flag}`,
        given: pair,
        allowed: 'positions and factors of the learning rate, position:factor',
        hint: '--points 0:0.1,5:1,30:0',
      });
    });
}
