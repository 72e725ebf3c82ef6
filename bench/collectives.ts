// The commands `npm run bench -- all-reduce` and `npm run bench -- barrier`: flags, peers, tables.
// bench/NOTES.md says what the figures mean.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import {
  type AllReduceResult,
  type BarrierResult,
  type CollectiveSetting,
  type CollectiveSides,
  type CollectiveTimes,
  measureCollectives,
} from './allReduce.ts';
import { glooSide } from './gloo.ts';
import { compileJob } from './jobFiles.ts';
import type { DType } from './jobs/collectives.ts';
import { describeMachine } from './machine.ts';
import { findOpenMpi, openMpiSide } from './openmpi.ts';
import { countList, seconds, wordList } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { lastLines } from './served.ts';
import { ourSide, type Side, settingsOf } from './sides.ts';
import { compileStreams, LIMIT_MIN_BYTES } from './streams.ts';
import type { Cell } from './table.ts';
import { findTorch, pythonOf, showTorch, TORCH_OPTION } from './torch.ts';

interface CollectiveFlags extends OutputFlags {
  readonly ranks?: unknown;
  readonly bytes?: unknown;
  readonly dtype?: unknown;
  readonly seconds?: unknown;
  readonly torch?: unknown;
  readonly peers: boolean;
}

type Result = AllReduceResult | BarrierResult;

const DTYPES: readonly DType[] = ['float32', 'float64'];
/** Arrays of both types have whole elements. */
const ELEMENT_BYTES = 8;
const DEFAULT_RANKS = '1,2,4,8,16';
const DEFAULT_BYTES = '8,128,1024,8192,65536,1048576,8388608,67108864';
const DEFAULT_SECONDS = 0.5;
const ROUNDS = 5;
const WARM_UP_SECONDS = 0.05;
/** What the test run does: everything, as briefly as possible, without peers. */
const SMOKE = {
  ranks: '1,2',
  bytes: '8,8192',
  times: { seconds: 0.01, rounds: 1, warmUpSeconds: 0.01 },
};

/** Adds both commands. */
export function addCollectives(cli: CAC): void {
  const seconds = `Measured for each side of each setting; default ${DEFAULT_SECONDS}`;
  const common: readonly (readonly [string, string])[] = [
    ['--ranks <counts>', `Threads, or processes of peers; default ${DEFAULT_RANKS}`],
    ['--seconds <seconds>', seconds],
    TORCH_OPTION,
    ['--no-peers', 'Measure only this library'],
    ['--json', 'One JSON object per line instead of a table'],
    ['--save', 'Append to bench/results'],
    ['--smoke', 'As short as it can be, for tests'],
  ];
  const reduce = cli
    .command('all-reduce', 'In-place sums over all ranks, compared with Open MPI and gloo')
    .option('--bytes <sizes>', `Size of an array; default ${DEFAULT_BYTES}`)
    .option('--dtype <types>', `Types; default ${DTYPES.join(',')}`);
  const barrier = cli.command('barrier', 'Barriers, compared with Open MPI and gloo');
  for (const [flag, text] of common) {
    reduce.option(flag, text);
    barrier.option(flag, text);
  }
  reduce.action((flags: CollectiveFlags) => run('all-reduce', flags));
  barrier.action((flags: CollectiveFlags) => run('barrier', flags));
}

async function run(name: Result['bench'], flags: CollectiveFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const settings = settingsOfRun(name, flags);
  const times: CollectiveTimes = isSmoke
    ? SMOKE.times
    : {
        seconds: seconds('--seconds', flags.seconds ?? DEFAULT_SECONDS),
        rounds: ROUNDS,
        warmUpSeconds: WARM_UP_SECONDS,
      };
  const python = pythonOf(flags.torch);
  const missing = { missing: 'not asked for' };
  const hasPeers = flags.peers && !isSmoke;
  const openmpi = hasPeers ? await findOpenMpi() : missing;
  const torch = hasPeers ? await findTorch(python) : missing;
  if ('missing' in openmpi) console.error(`Without Open MPI: ${openmpi.missing}.`);
  if ('missing' in torch) console.error(`Without PyTorch: ${torch.missing}.`);
  const machine = describeMachine({
    torch: 'build' in torch ? showTorch(torch.build) : null,
    openmpi: 'version' in openmpi ? openmpi.version : null,
  });
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-bench-'));
  try {
    const failed = new Set<Side>();
    const compared: CollectiveSides = {
      sides: [
        ourSide(await compileJob('collectives', folder)),
        ...('version' in openmpi ? await compiled(openMpiSide(folder)) : []),
        ...('build' in torch ? [glooSide(python)] : []),
      ],
      onFailure(side, error) {
        failed.add(side);
        console.error(`${error.message}\nContinuing without ${side.label}.`);
      },
      limit: settings.some(({ bytes }) => bytes.some((size) => size >= LIMIT_MIN_BYTES))
        ? { job: await compileJob('streams', folder), module: compileStreams() }
        : null,
    };
    const results: Result[] = [];
    for (const setting of settings) {
      console.error(`${name}, ${setting.ranks} ranks`);
      const measured = await measureCollectives(setting, times, {
        ...compared,
        sides: compared.sides.filter((side) => !failed.has(side)),
      });
      results.push(...measured);
      if (flags.json) for (const line of measured) console.log(JSON.stringify(line));
    }
    const rows = settings.flatMap((setting) => rowsOf(setting, results));
    finish({ name, flags, machine, rows, results });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The side, or nothing if its program does not compile, which is reported. */
async function compiled(side: Promise<Side>): Promise<readonly Side[]> {
  try {
    return [await side];
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    console.error(`Continuing without Open MPI: ${lastLines(stderr || String(error))}`);
    return [];
  }
}

function settingsOfRun(
  name: Result['bench'],
  flags: CollectiveFlags,
): readonly CollectiveSetting[] {
  const isSmoke = flags.smoke === true;
  const ranks = countList('--ranks', flags.ranks ?? (isSmoke ? SMOKE.ranks : DEFAULT_RANKS));
  if (name === 'barrier') return ranks.map((count) => ({ ranks: count, bytes: [], dtypes: [] }));
  const bytes = countList('--bytes', flags.bytes ?? (isSmoke ? SMOKE.bytes : DEFAULT_BYTES));
  const broken = bytes.find((size) => size % ELEMENT_BYTES !== 0);
  if (broken !== undefined) {
    throw new UsageError({ what: '--bytes', given: broken, allowed: 'multiples of 8' });
  }
  const dtypes = wordList('--dtype', flags.dtype ?? DTYPES.join(','), DTYPES);
  return ranks.map((count) => ({ ranks: count, bytes, dtypes }));
}

/** One row for all sides of each setting. */
function rowsOf(setting: CollectiveSetting, results: readonly Result[]): Record<string, Cell>[] {
  const { ranks, bytes, dtypes } = setting;
  const ofRanks = results.filter((result) => result.ranks === ranks);
  if (bytes.length === 0) return [{ ranks, ...compare(ofRanks as readonly BarrierResult[]) }];
  const reduces = ofRanks as readonly AllReduceResult[];
  return settingsOf(bytes, dtypes).map(({ bytes: size, dtype }) => {
    const row = reduces.filter((result) => result.bytes === size && result.dtype === dtype);
    const inPlace = row.find(({ memory }) => memory === 'shared')!;
    const copied = row.find(({ memory }) => memory === 'private')!;
    const { gbPerSecond, ofBandwidth } = inPlace;
    return {
      ranks,
      bytes: size,
      dtype,
      ...compare(row.filter((result) => result !== copied)),
      'private us': copied.us,
      'GB/s': gbPerSecond ?? '-',
      'of limit': ofBandwidth === null ? '-' : `${Math.round(100 * ofBandwidth)} %`,
    };
  });
}

/** Ours and the available peers, with how many times as long they take. */
function compare(sides: readonly Result[]): Record<string, Cell> {
  const ours = sides.find(({ peer }) => peer === null)!;
  const row: Record<string, Cell> = { 'us p50': ours.us, min: ours.usMin, p99: ours.usP99 };
  for (const peer of ['openmpi', 'gloo'] as const) {
    const found = sides.find((side) => side.peer === peer);
    row[`${peer} us`] = found?.us ?? '-';
    row[`${peer} / ours`] = found === undefined ? '-' : found.us / ours.us;
  }
  return row;
}
