// The commands and their flags. Parsing is cac's; what is unknown is an error that proposes the
// nearest flag or command. Returns the exit code and never ends the process itself.

import { inspect } from 'node:util';
import { cac } from 'cac';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { packageVersion } from '../../base/version.ts';
import { WIDE_VARIABLE } from '../../kernels/engine.ts';
import { jsonSink } from '../output/events.ts';
import { screen, warn } from '../output/screen.ts';
import { wrapped } from '../output/wrap.ts';
import { EXIT_USAGE, errorEvent, exitCodeOf } from '../process/failure.ts';
import { beginAmongPeers, tellPeers } from '../process/peers.ts';
import { endingAtSignals } from '../process/signals.ts';
import { Flags, markValues, unmarkValues } from '../settings/flags.ts';
import { lrFindFlags } from '../settings/lrFindFlags.ts';
import { optimizerFlags } from '../settings/rateFlags.ts';
import { simulateFlags } from '../settings/simulateFlags.ts';
import {
  commonFlags,
  dataFlags,
  doctorFlags,
  experimentFlags,
  exportFlags,
  type FlagText,
  initFlags,
  jsonFlags,
  moduleFlags,
  networkFlags,
  packFlags,
  predictFlags,
  stepFlags,
  summaryFlags,
  surveyFlags,
  sweepFlags,
  trainFlags,
} from './commandFlags.ts';

interface HelpSection {
  title?: string;
  body: string;
}

interface CommandText {
  readonly name: string;
  readonly argument?: string;
  /** Of a command with two. */
  readonly secondArgument?: string;
  readonly text: string;
  readonly flags: readonly FlagText[];
  /** Whether the processes of an MPI launcher can share its work; default false. */
  readonly isShared?: boolean;
  /** Loads only what this command needs. */
  run(flags: Flags, argument: string | undefined, second: string | undefined): Promise<number>;
}

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
    text: 'Evaluate a checkpoint on its test data, or on other data (--data)',
    isShared: true,
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--model <file>', 'Instead of a checkpoint: a net in an .onnx file, on --data'],
      ['--average', 'The average of the weights that the run keeps, with exact statistics'],
      ['--precise-norm <n>', 'First measure running statistics anew over n training batches'],
      ['--metrics <list>', 'Also top<k>, confusion, f1, iou, auc; of a regression r2, mae'],
      ['--eval-correction <a>', 'Weight of a sample in its own statistics, 0 to 1, or auto'],
      ...dataFlags,
      ...moduleFlags,
      ...commonFlags,
    ],
    run: endsAtSignals(async () => (await import('../commands/evalCommand.ts')).runEval),
  },
  {
    name: 'predict',
    text: 'Write the outputs of a checkpoint for samples to a file',
    flags: predictFlags,
    run: endsAtSignals(async () => (await import('../commands/predictCommand.ts')).runPredict),
  },
  {
    name: 'inspect',
    argument: 'checkpoint',
    text: 'Show what a checkpoint holds',
    flags: jsonFlags,
    run: endsAtSignals(async () => (await import('../commands/inspectCommand.ts')).runInspect),
  },
  {
    name: 'data',
    argument: 'path',
    text: 'Show what there is in data: counts, classes, statistics, and what looks wrong',
    flags: surveyFlags,
    run: endsAtSignals(async () => (await import('../commands/dataCommand.ts')).runData),
  },
  {
    name: 'pack',
    argument: 'folder',
    secondArgument: 'out',
    text: 'Decode photos, in folders by class or with masks, into a set to train on',
    flags: packFlags,
    run: endsAtSignals(async () => (await import('../commands/packCommand.ts')).runPack),
  },
  {
    name: 'models',
    text: 'List the models by name',
    flags: jsonFlags,
    run: endsAtSignals(async () => (await import('../commands/modelsCommand.ts')).runModels),
  },
  {
    name: 'summary',
    argument: 'model',
    text: 'Show the layers of a model by name, .json file or checkpoint, and what a step takes',
    flags: summaryFlags,
    run: endsAtSignals(async () => (await import('../commands/summaryCommand.ts')).runSummary),
  },
  {
    name: 'init',
    argument: 'model',
    text: 'Print a model as JSON, to change it and train it with --model',
    flags: initFlags,
    run: endsAtSignals(async () => (await import('../commands/initCommand.ts')).runInit),
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
    name: 'export',
    argument: 'checkpoint',
    text: 'Write the model of a checkpoint for others to read: weights for PyTorch, or ONNX',
    flags: exportFlags,
    run: endsAtSignals(async () => (await import('../commands/exportCommand.ts')).runExport),
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
    run: async (flags, argument) =>
      (await import('../commands/experimentCommand.ts')).runExperimentCommand(flags, argument),
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
  return (...asked) => endingAtSignals(async () => (await load())(...asked));
}

/** The flags of all commands that take a value. */
const valueFlags = commands.flatMap(({ flags }) =>
  flags.map(([flag]) => flag.split(' ')).flatMap(([name, value]) => (value ? [name!] : [])),
);

/** Runs the command line and returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    const cli = cac('syncbn');
    for (const { text, flags: texts, ...known } of commands) {
      const command = cli.command(usageOf(known), text);
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
    const flags = new Flags(unmarkValues(withoutNegation(options)));
    // Of the whole process, because nothing that a run is or saves depends on it.
    if (flags.isSet('no-wide')) process.env[WIDE_VARIABLE] = '0';
    return await command.run(flags, args[0], args[1]);
  } catch (error) {
    await tellPeers(error);
    report(error, argv);
    return exitCodeOf(error);
  }
}

/** The name of a command and what follows it. */
function usageOf(command: Pick<CommandText, 'name' | 'argument' | 'secondArgument'>): string {
  const names = argumentsOf(command).map((argument) => `[${argument}]`);
  return [command.name, ...names].join(' ');
}

function argumentsOf({
  argument,
  secondArgument,
}: Pick<CommandText, 'argument' | 'secondArgument'>): readonly string[] {
  return [argument, secondArgument].filter((name) => name !== undefined);
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
    what: 'syncbn',
    problem: `has no command ${typed}`,
    hint: nearest === undefined ? 'syncbn --help, which lists the commands' : `syncbn ${nearest}`,
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
      what: `syncbn ${command.name}`,
      problem: `has no flag ${word.split('=')[0]!}`,
      hint: nearest === undefined ? `syncbn ${command.name} --help` : `--${nearest}`,
    });
  }
}

function checkArguments(command: CommandText, args: readonly string[]): void {
  const names = argumentsOf(command);
  if (args.length <= names.length) return;
  throw new UsageError({
    what: `arguments of syncbn ${command.name}`,
    given: args,
    allowed: names.length === 0 ? 'flags only' : `one ${names.join(' and one ')}`,
  });
}

/** The parsed flags without what the parser adds of its own. */
function withoutNegation(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { '--': _rest, normDecay, wide, ...rest } = options;
  // A flag `--no-x` makes the parser set x to true where it is not given.
  return {
    ...rest,
    ...(normDecay === false && { noNormDecay: true }),
    ...(wide === false && { noWide: true }),
  };
}

/** Says what went wrong. Looks for itself what was asked for: the flags may be what is wrong. */
function report(error: unknown, argv: readonly string[]): void {
  const event = errorEvent(error);
  if (argv.includes('--json')) jsonSink().take(event);
  warn(`syncbn: ${event.message}`);
  if (argv.includes('--debug')) screen.warnWhole(inspect(error));
}
