// `npm run bench -- against DIR`: this library's training beside that of another build of it, such
// as an older commit's. Both in one process and in turns of a tenth of a second, so that a machine
// that drifts drifts for both.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import * as ours from '../src/index.ts';
import { describeMachine } from './machine.ts';
import { countList, seconds } from './options.ts';
import { finish, type Row } from './output.ts';
import { summarize } from './stats.ts';
import type { TrainSetting } from './train.ts';
import { datasetOf, type Library, middle, startTrainer, timeSteps, warmUp } from './train.ts';
import {
  addSettingOptions,
  settingCells,
  showSetting,
  type TrainFlags,
  trainSettings,
} from './trainCommand.ts';

const DEFAULT_SECONDS = 10;
const TURN_SECONDS = 0.1;
const WARM_UP_SECONDS = 1;
const SMOKE: AgainstTimes = { seconds: 0.3, warmUpSeconds: 0.1 };

/** One setting: how many times as fast ours is as the other build, turn by turn. */
interface AgainstResult extends TrainSetting {
  readonly bench: 'against';
  readonly msPerStep: number;
  readonly otherMsPerStep: number;
  readonly ratio: { readonly p50: number; readonly min: number; readonly max: number };
  readonly turns: number;
}

interface AgainstFlags extends TrainFlags {
  readonly grains?: unknown;
}

interface AgainstTimes {
  /** Measured for each side. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** Adds the command. */
export function addAgainst(cli: CAC): void {
  addSettingOptions(
    cli.command('against <dir>', 'Training speed beside another build of this library'),
  )
    .option('--grains <counts>', "Cut this build's batches so; the other keeps its rule")
    .option('--seconds <seconds>', `Measured for each side; default ${DEFAULT_SECONDS}`)
    .option('--json', 'A JSON object a line instead of a table')
    .option('--save', 'Append to bench/results/against.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(against);
}

async function against(dir: string, flags: AgainstFlags): Promise<void> {
  const other = await loadBuild(String(dir));
  const results: AgainstResult[] = [];
  const secondsEach = seconds('--seconds', flags.seconds ?? DEFAULT_SECONDS);
  const times = flags.smoke ? SMOKE : { seconds: secondsEach, warmUpSeconds: WARM_UP_SECONDS };
  for (const setting of settingsOf(flags)) {
    console.error(showSetting(setting));
    const result = await compare(setting, other, times);
    results.push(result);
    if (flags.json) console.log(JSON.stringify(result));
  }
  const machine = describeMachine({ torch: null });
  finish({ name: 'against', flags, machine, rows: results.map(rowOf), results });
}

/** Each of the training settings, with each of the counts of grains. */
function settingsOf(flags: AgainstFlags): readonly TrainSetting[] {
  const settings = trainSettings(flags);
  if (flags.grains === undefined) return settings;
  const counts = countList('--grains', flags.grains);
  return settings.flatMap((setting) => counts.map((grains) => ({ ...setting, grains })));
}

/** The library that was built in the repository at `dir`. */
async function loadBuild(dir: string): Promise<Library> {
  const file = join(resolve(dir), 'dist', 'index.js');
  if (!existsSync(file)) {
    throw new UsageError({
      what: 'against',
      given: dir,
      allowed: 'a folder with a build of this library, dist/index.js',
      hint: `git worktree add ${dir} COMMIT, then npm ci and npm run build there`,
    });
  }
  return (await import(pathToFileURL(file).href)) as Library;
}

async function compare(
  setting: TrainSetting,
  other: Library,
  times: AgainstTimes,
): Promise<AgainstResult> {
  const { grains: _, ...byRule } = setting;
  const own = await startTrainer(ours, setting, datasetOf(ours, setting));
  try {
    const others = await startTrainer(other, byRule, datasetOf(other, byRule));
    try {
      return { bench: 'against', ...setting, ...(await inTurns(own, others, times)) };
    } finally {
      await others.close();
    }
  } finally {
    await own.close();
  }
}

async function inTurns(
  own: ours.Trainer,
  others: ours.Trainer,
  times: AgainstTimes,
): Promise<Pick<AgainstResult, 'msPerStep' | 'otherMsPerStep' | 'ratio' | 'turns'>> {
  const stepSeconds = await warmUp(own, times.warmUpSeconds);
  await warmUp(others, times.warmUpSeconds);
  const steps = Math.max(1, Math.round(TURN_SECONDS / stepSeconds));
  const turns = Math.max(2, Math.round(times.seconds / (steps * stepSeconds)));
  const [ownMs, othersMs]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    const sides = [[own, ownMs] as const, [others, othersMs] as const];
    // Who comes second finds caches that the other has filled, so they take turns in that, too.
    if (turn % 2 === 1) sides.reverse();
    for (const [trainer, ms] of sides) ms.push((await timeSteps(trainer, steps)) * 1000);
  }
  const ratios = ownMs.map((ms, turn) => othersMs[turn]! / ms);
  return {
    msPerStep: summarize(ownMs).p50,
    otherMsPerStep: summarize(othersMs).p50,
    ratio: { p50: middle(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
    turns,
  };
}

function rowOf(result: AgainstResult): Row {
  const { msPerStep, otherMsPerStep, ratio } = result;
  return {
    ...settingCells(result),
    ...(result.grains !== undefined && { grains: result.grains }),
    'ms/step p50': msPerStep.toFixed(3),
    'of the other': otherMsPerStep.toFixed(3),
    'times as fast': ratio.p50.toFixed(3),
    least: ratio.min.toFixed(2),
    most: ratio.max.toFixed(2),
  };
}
