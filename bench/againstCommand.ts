// `npm run bench -- against DIR`: compares this library's training with another build of it, such
// as an older commit's. Both are in one process and take turns of a tenth of a second, so that a
// drifting machine affects both.

import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import * as ours from '../src/index.ts';
import { describeMachine } from './machine.ts';
import { countList, seconds } from './options.ts';
import { finish, type Row } from './output.ts';
import type { TrainSetting } from './train.ts';
import { type Library, middle } from './train.ts';
import {
  addSettingOptions,
  settingCells,
  showSetting,
  type TrainFlags,
  trainSettings,
} from './trainCommand.ts';
import { loadBuild, type TurnTimes, trainInTurns } from './turns.ts';

const DEFAULT_SECONDS = 10;
const WARM_UP_SECONDS = 1;
const MIN_TURNS = 2;
const SMOKE: TurnTimes = { seconds: 0.3, warmUpSeconds: 0.1, minTurns: MIN_TURNS };

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

/** Adds the command. */
export function addAgainst(cli: CAC): void {
  addSettingOptions(
    cli.command('against <dir>', 'Training speed compared with another build of this library'),
  )
    .option('--grains <counts>', 'Number of grains in this build; the other keeps its rule')
    .option('--seconds <seconds>', `Measured for each side; default ${DEFAULT_SECONDS}`)
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/against.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(against);
}

async function against(dir: string, flags: AgainstFlags): Promise<void> {
  const other = await loadOther(String(dir));
  const results: AgainstResult[] = [];
  const secondsEach = seconds('--seconds', flags.seconds ?? DEFAULT_SECONDS);
  const usual = { seconds: secondsEach, warmUpSeconds: WARM_UP_SECONDS, minTurns: MIN_TURNS };
  const times = flags.smoke ? SMOKE : usual;
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

async function loadOther(dir: string): Promise<Library> {
  const library = await loadBuild(dir);
  if (library !== undefined) return library;
  throw new UsageError({
    what: 'against',
    given: dir,
    allowed: 'a folder with a build of this library, dist/index.js',
    hint: `git worktree add ${dir} COMMIT, then npm ci and npm run build there`,
  });
}

async function compare(
  setting: TrainSetting,
  other: Library,
  times: TurnTimes,
): Promise<AgainstResult> {
  const { grains: _, ...byRule } = setting;
  const { ms, otherMs, ratios } = await trainInTurns([ours, setting], [other, byRule], times);
  return {
    bench: 'against',
    ...setting,
    msPerStep: ms,
    otherMsPerStep: otherMs,
    ratio: { p50: middle(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
    turns: ratios.length,
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
