// `npm run bench -- train`: which settings are measured, with which peers, and how they are shown.
// Without flags, it measures what the project publishes.

import type { CAC, Command } from 'cac';
import { describeMachine } from './machine.ts';
import { NETS, TRAIN_NETS } from './nets.ts';
import { count, countList, seconds, wordList } from './options.ts';
import { finish, type OutputFlags, type Row } from './output.ts';
import {
  findJsPeers,
  findLauncher,
  JS_PEERS,
  jsPeers,
  processPeers,
  TORCH_FORMATS,
  torchPeers,
  whyTorchLacks,
} from './peers.ts';
import { findTorches, pythonsOf, showTorch, TORCH_OPTION } from './torch.ts';
import {
  measureTraining,
  NORMS,
  type PeerName,
  type TrainPeer,
  type TrainResult,
  type TrainSetting,
  type TrainTimes,
} from './train.ts';

/** Turns are short, so that both sides see the same of a machine that changes between one and two
 * free cores. */
const ROUND_SECONDS = 0.5;
const DEFAULT_SECONDS = 3;
const WINDOW_SECONDS = 0.5;
const WARM_UP_SECONDS = 1;
const DEFAULT_REPLICAS = 2;
const DEFAULT_WORKERS = 2;
const DEFAULT_SIZES = '2,4,8,16,32';

/** What the test run does: everything, as briefly as possible, without peers. */
const SMOKE: TrainTimes = {
  seconds: 0.3,
  rounds: 1,
  windowSeconds: 0.1,
  warmUpSeconds: 0.1,
};
const SMOKE_SETTING = { net: 'refnet', norm: 'sync', replicaBatch: 2 } as const;

/** In addition to the grid: one worker, and many replicas with the samples of two. */
const EXTRA: readonly Pick<TrainSetting, 'replicas' | 'workers' | 'replicaBatch'>[] = [
  { replicas: 2, workers: 1, replicaBatch: 16 },
  { replicas: 64, workers: 2, replicaBatch: 2 },
  { replicas: 2, workers: 2, replicaBatch: 64 },
];

export interface TrainFlags extends OutputFlags {
  readonly net?: unknown;
  readonly norm?: unknown;
  readonly replicaBatch?: unknown;
  readonly replicas?: unknown;
  readonly workers?: unknown;
  readonly seconds?: unknown;
  readonly torch?: unknown;
  readonly format?: unknown;
  readonly jsPeers?: unknown;
  readonly processes?: unknown;
  readonly peers: boolean;
}

/** Adds the command. */
export function addTrain(cli: CAC): void {
  addSettingOptions(
    cli.command(
      'train',
      'Training speed, compared with PyTorch DDP and JavaScript libraries, if installed',
    ),
  )
    .option(
      '--seconds <seconds>',
      `Measured for each side of each setting; default ${DEFAULT_SECONDS}`,
    )
    .option(...TORCH_OPTION)
    .option('--format <name>', `Memory format of PyTorch: ${TORCH_FORMATS.join(', ')} (default)`)
    .option('--js-peers <dir>', 'Folder in which convnetjs and @tensorflow/tfjs are installed')
    .option('--processes', 'Also this library with one process per worker, over Open MPI')
    .option('--no-peers', 'Measure only this library')
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/train.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(train);
}

/** The flags for which settings are measured, for {@link trainSettings}. */
export function addSettingOptions(command: Command): Command {
  return command
    .option('--net <names>', `Of ${TRAIN_NETS.join(', ')}; default ${NETS.join(',')}`)
    .option('--norm <names>', `Norms; default ${NORMS.join(',')}`)
    .option('--replica-batch <sizes>', `Images per replica in a step; default ${DEFAULT_SIZES}`)
    .option('--replicas <count>', `Simulated devices; default ${DEFAULT_REPLICAS}`)
    .option('--workers <count>', `Threads; default ${DEFAULT_WORKERS}`);
}

async function train(flags: TrainFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const settings = trainSettings(flags);
  const times = isSmoke ? SMOKE : timesOf(seconds('--seconds', flags.seconds ?? DEFAULT_SECONDS));
  const { peersOf, torch } = await findPeers(flags, settings);
  const machine = describeMachine({ torch });
  const rows: Row[] = [];
  const results: TrainResult[] = [];
  const failed = new Set<string>();
  for (const setting of settings) {
    console.error(showSetting(setting));
    const peers = peersOf(setting).filter(({ label }) => !failed.has(label));
    const measured = await measureTraining(setting, times, peers, ({ label }, error) => {
      failed.add(label);
      console.error(`${error.message}\nContinuing without ${label}.`);
    });
    results.push(...measured);
    rows.push(oursRow(measured[0]!));
    if (flags.json) for (const line of measured) console.log(JSON.stringify(line));
  }
  const compared = results.filter(({ peer }) => peer !== null).map(peerRow);
  const more = compared.length === 0 ? [] : [compared];
  finish({ name: 'train', flags, machine, rows, more, results });
}

function timesOf(secondsEach: number): TrainTimes {
  return {
    seconds: secondsEach,
    rounds: Math.max(1, Math.round(secondsEach / ROUND_SECONDS)),
    windowSeconds: WINDOW_SECONDS,
    warmUpSeconds: WARM_UP_SECONDS,
  };
}

/** The available peers; reports once which are missing. */
async function findPeers(
  flags: TrainFlags,
  settings: readonly TrainSetting[],
): Promise<{
  readonly torch: string | null;
  readonly peersOf: (setting: TrainSetting) => readonly TrainPeer[];
}> {
  const pythons = pythonsOf(flags.torch);
  const [format] = wordList('--format', flags.format ?? 'fastest', TORCH_FORMATS);
  if (!flags.peers || flags.smoke === true) return { torch: null, peersOf: () => [] };
  const torches = await findTorches(pythons);
  for (const why of whyTorchLacks(settings, torches)) console.error(`${why}.`);
  const folder = flags.jsPeers === undefined ? undefined : String(flags.jsPeers);
  const { found, missing } = findJsPeers(folder);
  if (missing.length > 0) console.error(`Without ${missing.join(' and ')}: ${hintFor(missing)}.`);
  const mpi = flags.processes === true ? findLauncher() : undefined;
  if (mpi !== undefined && 'missing' in mpi) console.error(`Without processes: ${mpi.missing}.`);
  return {
    torch: torches.length === 0 ? null : torches.map(({ build }) => showTorch(build)).join(', '),
    peersOf: (setting) => [
      ...torchPeers(setting, torches, format!),
      ...jsPeers(setting, found, folder),
      ...(mpi !== undefined && 'mpirun' in mpi ? processPeers(setting, mpi.mpirun) : []),
    ],
  };
}

function hintFor(missing: readonly PeerName[]): string {
  const modules = JS_PEERS.filter(({ name }) => missing.includes(name)).map(({ module }) => module);
  return `not installed (npm install ${modules.join(' ')} --prefix DIR, then --js-peers DIR)`;
}

/** The settings to measure: a grid from the flags, and the extra settings unless the flags say how
 * the samples are split. */
export function trainSettings(flags: TrainFlags): readonly TrainSetting[] {
  const isSmoke = flags.smoke === true;
  const replicas = count('--replicas', flags.replicas ?? DEFAULT_REPLICAS);
  const workers = count('--workers', flags.workers ?? DEFAULT_WORKERS);
  const nets = wordList('--net', flags.net ?? (isSmoke ? SMOKE_SETTING.net : NETS), TRAIN_NETS);
  const norms = wordList('--norm', flags.norm ?? (isSmoke ? SMOKE_SETTING.norm : NORMS), NORMS);
  const sizes = countList(
    '--replica-batch',
    flags.replicaBatch ?? (isSmoke ? SMOKE_SETTING.replicaBatch : DEFAULT_SIZES),
  );
  const grid = nets.flatMap((net) =>
    norms.flatMap((norm) =>
      sizes.map((replicaBatch) => ({ net, norm, replicas, workers, replicaBatch })),
    ),
  );
  const isSplit = [flags.replicas, flags.workers, flags.replicaBatch].some((f) => f !== undefined);
  if (isSmoke || isSplit || !norms.includes('sync')) return grid;
  return [
    ...grid,
    ...nets.flatMap((net) => EXTRA.map((extra) => ({ net, norm: 'sync' as const, ...extra }))),
  ];
}

export function showSetting(setting: TrainSetting): string {
  const { net, norm, replicas, workers, replicaBatch, grains } = setting;
  const threads = workers === 1 ? '1 worker' : `${workers} workers`;
  const cut = grains === undefined ? '' : `, ${grains} grains`;
  return `${net} ${norm}, ${replicas} replicas of ${replicaBatch} on ${threads}${cut}`;
}

export function settingCells({ net, norm, replicas, workers, replicaBatch }: TrainSetting): Row {
  return { net, norm, replicas, workers, 'replica batch': replicaBatch };
}

function oursRow(ours: TrainResult): Row {
  return {
    ...settingCells(ours),
    'images/s': ours.imagesPerSecond,
    'ms/step p50': ours.msPerStep,
    min: ours.msPerStepMin,
    p99: ours.msPerStepP99,
  };
}

function peerRow(result: TrainResult): Row {
  const { peer, ratio, imagesPerSecond, msPerStep, torch, format, isFastest } = result;
  return {
    ...settingCells(result),
    peer: torch === undefined ? peer! : `${peer} ${torch.version}`,
    format: format ?? '',
    fastest: isFastest ? 'yes' : '',
    'images/s': imagesPerSecond,
    'ms/step p50': msPerStep,
    'ours / peer': ratio!.p50,
    least: ratio!.min,
    most: ratio!.max,
  };
}
