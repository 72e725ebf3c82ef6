// The commands and their flags. Parsing is cac's; what is unknown is an error that proposes the
// nearest flag or command. Returns the exit code and never ends the process itself.

import { inspect } from 'node:util';
import { cac } from 'cac';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { packageVersion } from '../../base/version.ts';
import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import { jsonSink } from '../output/events.ts';
import { screen, warn } from '../output/screen.ts';
import { wrapped } from '../output/wrap.ts';
import { EXIT_USAGE, errorEvent, exitCodeOf } from '../process/failure.ts';
import { beginAmongPeers, tellPeers } from '../process/peers.ts';
import { endingAtSignals } from '../process/signals.ts';
import { fineTuneFlags } from '../settings/fineTuneFlags.ts';
import { Flags, markValues, unmarkValues } from '../settings/flags.ts';
import { lrFindFlags } from '../settings/lrFindFlags.ts';
import { optimizerFlags, scheduleFlags } from '../settings/rateFlags.ts';
import { simulateFlags } from '../settings/simulateFlags.ts';
import { SWEPT_FLAGS } from '../settings/sweptFlags.ts';

interface HelpSection {
  title?: string;
  body: string;
}

/** A flag as it stands in the help. */
type FlagText = readonly [name: string, text: string];

interface CommandText {
  readonly name: string;
  readonly argument?: string;
  readonly text: string;
  readonly flags: readonly FlagText[];
  /** Whether the processes of an MPI launcher can share its work; default false. */
  readonly isShared?: boolean;
  /** Loads only what this command needs. */
  run(flags: Flags, argument: string | undefined): Promise<number>;
}

const dataFlags: readonly FlagText[] = [
  [
    '--data <name|dir>',
    'mnist, synthetic, or a folder of IDX, CIFAR-10 or npy files (default mnist)',
  ],
  ['--limit <n>', 'Only n training samples, drawn from all'],
];

const moduleFlags: readonly FlagText[] = [
  [
    '--allow-modules [list]',
    'Run the code of custom layers that a checkpoint or .json model names: all, or a list',
  ],
];

const commonFlags: readonly FlagText[] = [
  ['--workers <n>', 'Threads; they decide how fast (default: one for each core)'],
  ['--timeout-ms <ms>', 'How long workers wait for each other (default 60000)'],
  ['--json', 'Events on stdout, one JSON object a line'],
  ['--debug', 'Show where an error came from'],
];

/** What decides the network and its batches. */
const networkFlags: readonly FlagText[] = [
  ...dataFlags,
  ['--model <name|file>', 'mnist-cnn, refnet, resnet20 or a .json file (default mnist-cnn)'],
  [
    '--norm <kind>',
    'sync, local, group, layer, instance, none, auto; with --resume also frozen ' +
      '(default: sync; of a .json model: as it is written)',
  ],
  ['--norm-kinds <list>', 'Kinds of norms that --norm replaces, or all (default: batch norms)'],
  ['--group-size <k>', 'With --norm sync or auto: replicas that share statistics (default all)'],
  ['--num-groups <g>', 'With --norm group or auto: groups (default: by channels, see inspect)'],
  [
    '--replicas <n>',
    'Simulated devices; with --norm local they decide what is computed (default 8)',
  ],
  ['--replica-batch <n>', 'Samples of each replica in a step (default 16)'],
  ['--batch <n>', 'Global batch: samples of a step over all replicas, instead of --replica-batch'],
  ['--grains <n>', 'Pieces of a batch in which sums are formed (default 32, 64 from 512 samples)'],
  ['--drop-last', 'Leave out a last batch that is not full'],
  [
    '--shards <how>',
    'Samples of each replica: iid, by-class, dirichlet:0.3, by-domain (default iid)',
  ],
  ['--zero-init-residual', 'Of resnet20: each block starts as its shortcut'],
];

/** What else decides the numbers of a step. */
const stepFlags: readonly FlagText[] = [
  [
    '--loss <name|file>',
    'cross-entropy, binary-cross-entropy, mse, l1, huber or a .json file (default by the targets)',
  ],
  ['--label-smoothing <s>', 'Of the cross-entropy (default 0)'],
  ['--class-weights <list>', 'Of the cross-entropy: a weight for each class, such as 1,1,5'],
  ['--ignore-index <label>', 'Of the cross-entropy: leave out samples with this label'],
  ['--mixup <alpha>', 'Augmentation: mix each sample with another one, shares from Beta(alpha)'],
  ['--cutmix <alpha>', 'Augmentation: replace a box of each image by that of another one'],
  ['--shift <n>', 'Augmentation: move images by up to n pixels'],
  ['--flip', 'Augmentation: mirror half of the images'],
  ['--seed <n>', 'Decides all random numbers (default 1)'],
  ['--strict', 'The same bits on every machine'],
];

const trainFlags: readonly FlagText[] = [
  ...networkFlags,
  ...fineTuneFlags,
  ['--epochs <n>', 'Epochs to have done in all (default 1)'],
  ['--max-steps <n>', 'Stop when n steps are done in all'],
  ...optimizerFlags,
  ...scheduleFlags,
  ['--validate <split>', 'Evaluate test or validation samples at the end of each epoch'],
  [
    '--validation-split <x>',
    'Hold out a share (below 1) or count of the training samples for that',
  ],
  ['--early-stopping <n>', 'Stop after n epochs in a row that were no better'],
  ['--monitor <what>', 'What has to get better: loss or accuracy (default loss)'],
  ['--min-delta <d>', 'With --early-stopping: better is by more than this (default 0)'],
  ['--best <file>', 'Write a checkpoint of the best epoch so far'],
  ['--ema <decay>', 'Keep an exponential moving average of the weights, such as 0.999'],
  ['--swa-from <epoch>', 'Keep the mean of the weights at the ends of epochs from this one on'],
  [
    '--on-non-finite <what>',
    'stop (exit code 1) or continue where numbers are not finite (default stop)',
  ],
  ...stepFlags,
  ['--checkpoint <file>', 'Write a checkpoint at the end of each epoch, at the end and at Ctrl-C'],
  ['--checkpoint-every <n>', 'And after every n steps'],
  ['--keep <n>', 'Keep the last n checkpoints, older ones named by their steps (default 1)'],
  ['--resume <file>', 'Go on from a checkpoint, with its settings; --norm replaces its norms'],
  ['--resume-or-start <file>', 'The same where the file exists, else a new run that writes it'],
  ['--elastic', 'Go on with the others when a worker dies, with the same bits'],
  ['--overwrite', 'Let --checkpoint and --best replace files of other runs'],
  ['--diagnostics <n>', 'Compare the batch statistics of replicas every n steps (default 50)'],
  ['--profile', "Show where a step's time goes: by phase and layer, waiting apart"],
  ['--trace <file>', 'Write the last 20 steps for chrome://tracing and ui.perfetto.dev'],
  ['--report <file>', 'Write a page with curves, norms and gradients at the end'],
  ['--watch [port]', 'Serve that page while it trains, on this machine (default port 8710)'],
  ['--watch-host <host>', 'With --watch: listen there; the URL then has a token'],
  ['--processes <n>', 'Run in n processes of this machine, through MPI; --workers is of each'],
  ['--nodes <list>', 'Run on these hosts, a,b:2 (two processes on b), through MPI'],
  ['--hostfile <file>', 'The same from a file with a host a line'],
  ['--max-restarts <n>', 'With several processes: go on after a death, up to n times'],
  ['--dry-run', 'With several processes: show the command line of MPI'],
  ['--log <file>', 'Append the events to a file, one JSON object a line'],
  ...moduleFlags,
  ...commonFlags,
];

/** Those of `train` that a short run has a use for. */
const doctorFlags: readonly FlagText[] = [
  ...dataFlags,
  ['--model <name|file>', 'mnist-cnn, refnet, resnet20 or a .json file (default mnist-cnn)'],
  ['--replicas <n>', 'Simulated devices, at least 2 (default 8)'],
  ['--replica-batch <n>', 'Samples of each replica in a step (default 16)'],
  ['--steps <n>', 'Steps with each norm: local, sync and group (default 120)'],
  ['--budget <seconds>', 'Time for all training; cuts the steps (default 60)'],
  ['--mpi', 'Instead look at MPI: the library, how fast it is, whether bits agree'],
  ['--processes <n>', 'With --mpi: in so many processes of this machine (default 2)'],
  ['--nodes <list>', 'With --mpi: on these hosts, a,b:2'],
  ['--optimizer <name>', `${OPTIMIZER_NAMES.join(', ')} (default sgd)`],
  ['--lr <rate>', "Learning rate (default 0.1 for sgd, else the optimizer's own)"],
  ['--seed <n>', 'Decides all random numbers (default 1)'],
  ['--strict', 'The same bits on every machine'],
  ...moduleFlags,
  ...commonFlags,
];

const experimentFlags: readonly FlagText[] = [
  ['--quick', 'Fewer and shorter runs: minutes, with wider intervals'],
  ['--seeds <k>', 'Repetitions with seeds 1 to k (default 5, with --quick 2 or 3)'],
  ['--data <name|dir>', 'fashion-mnist (fetched once), mnist, synthetic or a folder'],
  ['--model <name|file>', "Instead of the experiment's net: mnist-cnn, refnet, resnet20, .json"],
  ['--lr <rate>', 'Learning rate; where batches differ, that of the largest'],
  ['--replica-batches <list>', 'Samples of each replica in a step, such as 8,4,2'],
  ['--norms <list>', 'Of local, sync, group, layer, instance, none'],
  ['--epochs <n>', 'Epochs of each run'],
  [
    '--conventions <list>',
    'peers: pytorch-ddp, keras, flax, detectron2, detectron2-n, mxnet, apex',
  ],
  ...moduleFlags,
  ['--out <folder>', 'Where results and report go (default experiments/<name>)'],
  ['--workers <n>', 'Threads; they decide how fast (default: one for each core)'],
  ['--json', 'Events on stdout, one JSON object a line'],
  ['--debug', 'Show where an error came from'],
];

/** What `sweep` crosses, and what is its own. */
const sweepFlags: readonly FlagText[] = [
  ...trainFlags.filter(([flag]) => SWEPT_FLAGS.includes(flag.split(' ')[0]!.slice(2))),
  ['--out <folder>', 'Where results and report go (default experiments/sweep)'],
  ['--jobs <n>', 'Runs at a time (default 1)'],
  ['--dry-run', 'List the runs and do none'],
  ...moduleFlags,
  ...commonFlags,
];

const commands: readonly CommandText[] = [
  {
    name: 'train',
    text: 'Train a network',
    flags: trainFlags,
    isShared: true,
    run: async (flags) => (await import('../commands/trainCommand.ts')).runTrain(flags),
  },
  {
    name: 'eval',
    text: 'Evaluate a checkpoint on its test data',
    isShared: true,
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--average', 'The average of the weights that the run keeps, with exact statistics'],
      ['--precise-norm <n>', 'First measure running statistics anew over n training batches'],
      ['--metrics <list>', 'Also top<k>, confusion, f1, auc; of a regression r2, mae'],
      ['--eval-correction <a>', 'Weight of a sample in its own statistics, 0 to 1, or auto'],
      ...dataFlags,
      ...moduleFlags,
      ...commonFlags,
    ],
    run: endsAtSignals(async () => (await import('../commands/evalCommand.ts')).runEval),
  },
  {
    name: 'inspect',
    argument: 'checkpoint',
    text: 'Show what a checkpoint holds',
    flags: [
      ['--json', 'One JSON object'],
      ['--debug', 'Show where an error came from'],
    ],
    run: endsAtSignals(async () => (await import('../commands/inspectCommand.ts')).runInspect),
  },
  {
    name: 'fold',
    text: 'Fold batch normalization into the layers before it, for inference',
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--out <file>', 'The checkpoint to write'],
      ['--overwrite', 'Let --out replace a file that is there'],
      ['--tolerance <x>', 'Largest difference of an output, as a share (default 1e-4)'],
      ...dataFlags,
      ...moduleFlags,
      ...commonFlags,
    ],
    run: endsAtSignals(async () => (await import('../commands/foldCommand.ts')).runFold),
  },
  {
    name: 'verify',
    argument: 'checkpoint',
    text: 'Repeat steps of a run on other splits and compare all bits',
    flags: [
      ['--steps <n>', 'Steps from the checkpoint on (default 5)'],
      ['--node <file>', 'Also under this Node; for runs with --strict'],
      ['--hashes', 'Only say the hashes of the steps, as JSON'],
      ...dataFlags,
      ...moduleFlags,
      ...commonFlags,
    ],
    run: endsAtSignals(async () => (await import('../commands/verifyCommand.ts')).runVerify),
  },
  {
    name: 'doctor',
    text: 'Train a model shortly and say which normalization it needs',
    flags: doctorFlags,
    isShared: true,
    run: endsAtSignals(async () => (await import('../commands/doctorCommand.ts')).runDoctor),
  },
  {
    name: 'lr-find',
    text: 'Find a learning rate: raise it from step to step until the loss blows up',
    flags: [
      ...networkFlags,
      ...optimizerFlags.filter(([name]) => !name.startsWith('--lr')),
      ...stepFlags,
      ...lrFindFlags,
      ...moduleFlags,
      ...commonFlags,
    ],
    run: endsAtSignals(async () => (await import('../commands/lrFindCommand.ts')).runLrFind),
  },
  {
    name: 'experiment',
    argument: 'name',
    text: 'Train for an answer: small-batch, sync-group, precise, convergence and more',
    flags: experimentFlags,
    run: async (...asked) =>
      (await import('../commands/experimentCommand.ts')).runExperimentCommand(...asked),
  },
  {
    name: 'sweep',
    text: 'Train with all combinations of flags: --norm sync,local --replica-batch 2,4 --seed 1..3',
    flags: sweepFlags,
    run: async (flags) => (await import('../commands/sweepCommand.ts')).runSweep(flags),
  },
  {
    name: 'simulate',
    text: 'Predict what a job on many devices would do',
    flags: simulateFlags,
    run: endsAtSignals(async () => (await import('../commands/simulateCommand.ts')).runSimulate),
  },
];

/** A command that keeps nothing until its end. */
function endsAtSignals(load: () => Promise<CommandText['run']>): CommandText['run'] {
  return (flags, argument) => endingAtSignals(async () => (await load())(flags, argument));
}

/** The flags of all commands that take a value. */
const valueFlags = commands.flatMap(({ flags }) =>
  flags.map(([flag]) => flag.split(' ')).flatMap(([name, value]) => (value ? [name!] : [])),
);

/** Runs the command line and returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    const cli = cac('syncbn');
    for (const { name, argument, text, flags: texts } of commands) {
      const command = cli.command(argument === undefined ? name : `${name} [${argument}]`, text);
      for (const [flag, meaning] of texts) command.option(flag, meaning);
      command.action(() => {});
    }
    cli.help(tidyHelp).version(packageVersion());
    const words = markValues(argv, valueFlags);
    const { args, options } = cli.parse(words, { run: false });
    if (options.help === true || options.version === true) return 0;
    const command = commands.find(({ name }) => name === cli.matchedCommandName);
    if (command === undefined) return withoutCommand(args[0], () => cli.outputHelp());
    beginAmongPeers(command.name, command.isShared === true);
    checkKnown(command, words);
    checkArguments(command, [...args, ...options['--']]);
    return await command.run(new Flags(unmarkValues(withoutNegation(options))), args[0]);
  } catch (error) {
    await tellPeers(error);
    report(error, argv);
    return exitCodeOf(error);
  }
}

/** As wide as the terminal, and without what the parser says of the default of a flag `--no-x`:
 * that x is true. */
function tidyHelp(sections: readonly HelpSection[]): HelpSection[] {
  return sections.map(({ body, ...rest }) => ({
    ...rest,
    body: wrapped(body.replaceAll(' (default: true)', '').replace(/ +$/gm, ''), screen.textColumns),
  }));
}

function withoutCommand(typed: string | undefined, showHelp: () => void): number {
  if (typed === undefined) {
    showHelp();
    return EXIT_USAGE;
  }
  const names = commands.map(({ name }) => name);
  const nearest = nearestWord(typed, names);
  throw new UsageError({
    what: 'command',
    given: typed,
    allowed: names.join(', '),
    ...(nearest !== undefined && { hint: `syncbn ${nearest}` }),
  });
}

/** Refuses flags that the command does not have, with the nearest that it has. */
function checkKnown(command: CommandText, words: readonly string[]): void {
  const known = command.flags.map(([flag]) => flag.replace(/^--(no-)?/, '').split(' ')[0]!);
  for (const word of words.slice(2)) {
    if (word === '--') break;
    const name = /^--?(?:no-)?([^=]+)/.exec(word)?.[1];
    if (!word.startsWith('-') || name === undefined) continue;
    if (known.includes(name)) continue;
    const nearest = nearestWord(name, known);
    throw new UsageError({
      what: `flag of syncbn ${command.name}`,
      given: word.split('=')[0]!,
      allowed: `what syncbn ${command.name} --help lists`,
      ...(nearest !== undefined && { hint: `--${nearest}` }),
    });
  }
}

function checkArguments(command: CommandText, args: readonly string[]): void {
  const most = command.argument === undefined ? 0 : 1;
  if (args.length <= most) return;
  throw new UsageError({
    what: `arguments of syncbn ${command.name}`,
    given: args,
    allowed: most === 0 ? 'flags only' : `one ${command.argument}`,
  });
}

/** The parsed flags without what the parser adds of its own. */
function withoutNegation(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { '--': _rest, normDecay, ...rest } = options;
  // A flag `--no-x` makes the parser set x to true where it is not given.
  return normDecay === false ? { ...rest, noNormDecay: true } : rest;
}

/** Says what went wrong. Looks for itself what was asked for: the flags may be what is wrong. */
function report(error: unknown, argv: readonly string[]): void {
  const event = errorEvent(error);
  if (argv.includes('--json')) jsonSink().take(event);
  warn(`syncbn: ${event.message}`);
  if (argv.includes('--debug')) screen.warnWhole(inspect(error));
}
