// The benchmarks' command: `npm run bench -- train`, `kernels`, `all-reduce` and `barrier`. Results
// go to standard output, as a table or as JSON lines; what happens meanwhile, to standard error.

import { cac } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import { accuracy } from './accuracyCommand.ts';
import { addCollectives } from './collectives.ts';
import { type KernelResult, measureKernels } from './kernels.ts';
import { describeMachine } from './machine.ts';
import { KERNEL_NETS, NETS } from './nets.ts';
import { norm } from './normCommand.ts';
import { count, countList, seconds, wordList } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { findTorch } from './peers.ts';
import { measureTraining, NORMS, type TrainResult, type TrainSetting } from './train.ts';

/** Both sides take turns so often. */
const ROUNDS = 3;
const WINDOW_SECONDS = 0.5;
const WARM_UP_SECONDS = 1;
/** What the test run does: the whole way, as short as it can be, without peers. */
const SMOKE = {
  train: { seconds: 0.3, rounds: 1, windowSeconds: 0.1, warmUpSeconds: 0.1 },
  kernelSeconds: 0.001,
};

interface TrainFlags extends OutputFlags {
  readonly net?: unknown;
  readonly norm?: unknown;
  readonly replicaBatch?: unknown;
  readonly replicas?: unknown;
  readonly workers?: unknown;
  readonly seconds?: unknown;
  readonly peers: boolean;
}

interface KernelFlags extends OutputFlags {
  readonly net?: unknown;
  readonly seconds?: unknown;
}

async function train(flags: TrainFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const settings = trainSettings(flags);
  const times = isSmoke
    ? SMOKE.train
    : {
        seconds: seconds('--seconds', flags.seconds ?? 5),
        rounds: ROUNDS,
        windowSeconds: WINDOW_SECONDS,
        warmUpSeconds: WARM_UP_SECONDS,
      };
  const torch = flags.peers && !isSmoke ? await findTorch() : { missing: 'not asked for' };
  const version = 'version' in torch ? torch.version : null;
  if ('missing' in torch) console.error(`Without PyTorch: ${torch.missing}.`);
  const machine = describeMachine({ torch: version });
  const rows: Record<string, string | number>[] = [];
  const results: TrainResult[] = [];
  for (const setting of settings) {
    const { net, norm, replicas, workers, replicaBatch } = setting;
    console.error(`${net} ${norm}, ${replicas} replicas of ${replicaBatch} on ${workers} workers`);
    const measured = await measureTraining(setting, times, version !== null);
    results.push(...measured);
    rows.push(trainRow(measured));
    if (flags.json) for (const line of measured) console.log(JSON.stringify(line));
  }
  finish({ name: 'train', flags, machine, rows, results });
}

function trainSettings(flags: TrainFlags): readonly TrainSetting[] {
  const isSmoke = flags.smoke === true;
  const replicas = count('--replicas', flags.replicas ?? 2);
  const workers = count('--workers', flags.workers ?? 2);
  const nets = wordList('--net', flags.net ?? 'refnet', NETS);
  const norms = wordList('--norm', flags.norm ?? (isSmoke ? 'sync' : NORMS), NORMS);
  const sizes = countList('--replica-batch', flags.replicaBatch ?? (isSmoke ? 2 : '2,4,8,16,32'));
  return nets.flatMap((net) =>
    norms.flatMap((norm) =>
      sizes.map((replicaBatch) => ({ net, norm, replicas, workers, replicaBatch })),
    ),
  );
}

/** One row for both sides. */
function trainRow(measured: readonly TrainResult[]): Record<string, string | number> {
  const [ours, peer] = measured;
  const { net, norm, replicas, workers, replicaBatch } = ours!;
  return {
    net,
    norm,
    replicas,
    workers,
    'replica batch': replicaBatch,
    'images/s': ours!.imagesPerSecond,
    'ms/step p50': ours!.msPerStep,
    min: ours!.msPerStepMin,
    p99: ours!.msPerStepP99,
    ...(peer !== undefined && {
      'torch-ddp images/s': peer.imagesPerSecond,
      'ours / torch-ddp': ours!.imagesPerSecond / peer.imagesPerSecond,
    }),
  };
}

function kernels(flags: KernelFlags): void {
  const isSmoke = flags.smoke === true;
  const secondsEach = isSmoke ? SMOKE.kernelSeconds : seconds('--seconds', flags.seconds ?? 0.3);
  const nets = wordList('--net', flags.net ?? (isSmoke ? 'refnet' : KERNEL_NETS), KERNEL_NETS);
  const results = measureKernels(nets, secondsEach, (result) => {
    if (flags.json) console.log(JSON.stringify(result));
  });
  const rows = results.map(kernelRow);
  finish({ name: 'kernels', flags, machine: describeMachine({ torch: null }), rows, results });
}

function kernelRow(result: KernelResult): Record<string, string | number> {
  const { kernel, shape, unit, rate, share, usMin, usP50, usP99 } = result;
  return {
    kernel,
    shape,
    'us p50': usP50,
    min: usMin,
    p99: usP99,
    rate,
    unit,
    'of peak': `${Math.round(100 * share)} %`,
  };
}

const cli = cac('npm run bench --');
cli
  .command('train', 'Training speed, beside PyTorch DDP where it is installed')
  .option('--net <names>', `Nets: ${NETS.join(',')}; default refnet`)
  .option('--norm <names>', `Norms; default ${NORMS.join(',')}`)
  .option('--replica-batch <sizes>', 'Images of a replica in a step; default 2,4,8,16,32')
  .option('--replicas <count>', 'Simulated devices; default 2')
  .option('--workers <count>', 'Threads; default 2')
  .option('--seconds <seconds>', 'Measured for each side of each setting; default 5')
  .option('--no-peers', 'Measure this library alone')
  .option('--json', 'A JSON object a line instead of a table')
  .option('--save', 'Append to bench/results/train.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(train);
cli
  .command('kernels', 'Convolutions and normalizations on one core, with their share of a peak')
  .option('--net <names>', `Whose shapes; default ${KERNEL_NETS.join(',')}`)
  .option('--seconds <seconds>', 'Measured for each kernel; default 0.3')
  .option('--json', 'A JSON object a line instead of a table')
  .option('--save', 'Append to bench/results/kernels.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(kernels);
addCollectives(cli);
cli
  .command(
    'norm',
    'BatchNorm forward and backward on one core, beside PyTorch where it is installed',
  )
  .option('--seconds <seconds>', 'Measured for each side of each shape; default 3')
  .option('--no-peers', 'Measure this library alone')
  .option('--json', 'A JSON object a line instead of a table')
  .option('--save', 'Append to bench/results/norm.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(norm);
cli
  .command('accuracy', 'Worst errors of all normalizations against float64 and exact arithmetic')
  .option('--no-peers', 'Measure this library alone')
  .option('--json', 'A JSON object a line instead of tables')
  .option('--save', 'Append to bench/results/accuracy.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(accuracy);
cli.help();

try {
  cli.parse(process.argv, { run: false });
  if (cli.matchedCommand === undefined && cli.options.help !== true) {
    throw new UsageError({
      what: 'command',
      given: cli.args[0] ?? 'none',
      allowed: cli.commands.map(({ name }) => name).join(', '),
      hint: 'npm run bench -- --help',
    });
  }
  await cli.runMatchedCommand();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as Error).name === 'CACError';
  console.error(isUsage ? (error as Error).message : error);
  process.exitCode = 1;
}
