// The benchmarks' command: `npm run bench -- train`, `against`, `kernels`, `all-reduce` and so on.
// Results go to standard output, as a table or as JSON lines; progress goes to standard error.

import { cac } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import { accuracy } from './accuracyCommand.ts';
import { addAgainst } from './againstCommand.ts';
import { addCollectives } from './collectives.ts';
import { addGuard } from './guardCommand.ts';
import { addHosts } from './hostsCommand.ts';
import { type KernelResult, measureKernels } from './kernels.ts';
import { describeMachine } from './machine.ts';
import { addMicro } from './microCommand.ts';
import { KERNEL_NETS } from './nets.ts';
import { norm } from './normCommand.ts';
import { seconds, wordList } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { addPredict } from './predictCommand.ts';
import { writeSpeed } from './speedTable.ts';
import { addStart } from './startCommand.ts';
import { addStream } from './streamCommand.ts';
import { TORCH_OPTION } from './torch.ts';
import { addTrain } from './trainCommand.ts';

/** For the test run: everything, as briefly as possible. */
const SMOKE_SECONDS = 0.001;

interface KernelFlags extends OutputFlags {
  readonly net?: unknown;
  readonly seconds?: unknown;
}

function kernels(flags: KernelFlags): void {
  const isSmoke = flags.smoke === true;
  const secondsEach = isSmoke ? SMOKE_SECONDS : seconds('--seconds', flags.seconds ?? 0.3);
  const nets = wordList('--net', flags.net ?? (isSmoke ? 'refnet' : KERNEL_NETS), KERNEL_NETS);
  const results = measureKernels(nets, secondsEach, (result) => {
    if (flags.json) console.log(JSON.stringify(result));
  });
  const rows = results.map(kernelRow);
  finish({ name: 'kernels', flags, machine: describeMachine({ torch: null }), rows, results });
}

function kernelRow(result: KernelResult): Record<string, string | number> {
  const { kernel, shape, unit, rate, share, share128, usMin, usP50, usP99 } = result;
  return {
    kernel,
    shape,
    'us p50': usP50,
    min: usMin,
    p99: usP99,
    rate,
    unit,
    'of 128-bit peak': share128 === null ? '' : percent(share128),
    'of peak': percent(share),
  };
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

const cli = cac('npm run bench --');
addTrain(cli);
addAgainst(cli);
addGuard(cli);
cli
  .command('kernels', 'Convolutions and normalizations on one core, as a fraction of the peak')
  .option('--net <names>', `Nets whose shapes are measured; default ${KERNEL_NETS.join(',')}`)
  .option('--seconds <seconds>', 'Measured for each kernel; default 0.3')
  .option('--json', 'One JSON object per line instead of a table')
  .option('--save', 'Append to bench/results/kernels.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(kernels);
addCollectives(cli);
addHosts(cli);
addMicro(cli);
addPredict(cli);
addStart(cli);
addStream(cli);
cli
  .command(
    'norm',
    'BatchNorm forward and backward on one core, compared with PyTorch if it is installed',
  )
  .option('--seconds <seconds>', 'Measured for each side of each shape; default 3')
  .option(...TORCH_OPTION)
  .option('--no-peers', 'Measure only this library')
  .option('--json', 'One JSON object per line instead of a table')
  .option('--save', 'Append to bench/results/norm.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(norm);
cli
  .command(
    'accuracy',
    'Errors of all normalizations and of convolutions against float64 and exact arithmetic',
  )
  .option(...TORCH_OPTION)
  .option('--no-peers', 'Measure only this library')
  .option('--json', 'One JSON object per line instead of tables')
  .option('--save', 'Append to bench/results/accuracy.jsonl')
  .option('--smoke', 'As short as it can be, for tests')
  .action(accuracy);
cli
  .command('readme', 'Tables and picture of training speed, from the newest run that was saved')
  .action(() => console.error(`Written to ${writeSpeed().join(', ')}.`));
cli.option('--node <binary>', 'Run with this Node; scripts/bench.mjs starts it');
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
