// Lists of flags that several commands share, or that form one of the groups of `train`.

import { type FlagGroup, type FlagText, flagOf } from '../settings/flagText.ts';
import { DATA_WORDS, LOSS_WORDS, MODEL_WORDS, NORM_WORDS } from '../settings/flagWords.ts';

export const dataFlags: readonly FlagText[] = [
  [
    '--data <name|path>',
    'mnist, fashion-mnist, synthetic, scenes, small-scenes, fashion-scenes, an npz or CSV file, ' +
      'or a folder of IDX, CIFAR, npy, npz, CSV or PNG files (default mnist)',
    DATA_WORDS,
  ],
  [
    '--layout <how>',
    'For npy and npz files: channelsLast or channelsFirst (see docs/data.md)',
    ['channelsLast', 'channelsFirst'],
  ],
  ['--target <column>', 'For CSV files: what to predict (default: label, target or class)'],
  ['--ignore-columns <list>', 'For CSV files: columns to ignore'],
  ['--regression', 'For npy, npz and CSV files: integer targets are not classes'],
  ['--classes <n>', 'For data in files: number of classes (default: from the targets)'],
  [
    '--test-split <x>',
    'For data without test samples: a share (below 1) or count of samples to test with',
  ],
  ['--limit <n>', 'Train on n samples only, drawn from all of them'],
];

/** For commands with data that may be larger than memory. */
export const streamFlags: readonly FlagText[] = [
  [
    '--stream',
    'Read a packed set in chunks during the run (default: if it takes more than a quarter of ' +
      'the free memory)',
  ],
  ['--window <n>', 'With data in chunks: shuffle within windows of n samples (default: 128 MB)'],
];

export const moduleFlags: readonly FlagText[] = [
  [
    '--allow-modules [list]',
    'Run the code of custom layers that a checkpoint or .json model names: all, or a list',
  ],
];

export const noWideFlag: FlagText = [
  '--no-wide',
  'Do not use the kernels with paired vectors, which give the same bits faster',
];
export const workersFlag: FlagText = [
  '--workers <n>',
  'Worker threads; they affect only speed (default: one per core)',
];
export const processFlags: readonly FlagText[] = [
  ['--processes <n>', 'Run in n processes on this machine through MPI, each with --workers'],
  ['--nodes <list>', 'Run on these hosts, a,b:2 (two processes on b), through MPI'],
];

export const workerFlags: readonly FlagText[] = [
  workersFlag,
  ['--timeout-ms <ms>', 'How long workers wait for each other (default 60000)'],
  noWideFlag,
];

export const eventFlag: FlagText = ['--json', 'Print events on stdout, one JSON object per line'];
export const shownFlags: readonly FlagText[] = [
  ['--plain', 'Print plain lines: no progress bars, no drawn tables, no colors'],
  ['--debug', 'Show the stack trace of an error'],
];
export const settingsFlags: readonly FlagText[] = [
  ['--config <file>', 'Read flags from a JSON file; the command line takes precedence'],
  ['--print-config', 'Print the settings in the form of --config, and do nothing else'],
];

/** The flags with these names. */
function picked(of: readonly FlagText[], names: readonly string[]): readonly FlagText[] {
  return names.map((name) => of.find((text) => flagOf(text).name === name)!);
}

export const modelFlags: readonly FlagText[] = [
  [
    '--model <name|file>',
    'One of syncbn models, a .json or .onnx file (default mnist-cnn)',
    MODEL_WORDS,
  ],
  ['--width <x>', 'Multiply the channels of a resnet or similar net by this (default 1)'],
  [
    '--stem <how>',
    'imagenet shrinks images early, cifar does not (default: imagenet from 64 pixels on)',
    ['imagenet', 'cifar'],
  ],
  ['--zero-init-residual', 'For resnets: each block starts as its shortcut'],
  ['--direct-convolutions', 'No Winograd convolutions: smaller rounding errors, slower steps'],
];

export const normFlags: readonly FlagText[] = [
  [
    '--norm <kind>',
    'sync, local, group, layer, instance, none, auto; with --resume also frozen ' +
      '(default: sync; for a .json model: its own)',
    NORM_WORDS,
  ],
  ['--norm-kinds <list>', 'Kinds of norms that --norm replaces, or all (default: batch norms)'],
  ['--group-size <k>', 'With --norm sync or auto: replicas that share statistics (default all)'],
  ['--num-groups <n>', 'With --norm group or auto: groups (default: by channels, see inspect)'],
];

export const batchFlags: readonly FlagText[] = [
  ['--replicas <n>', 'Simulated devices; with --norm local they affect results (default 8)'],
  ['--replica-batch <n>', 'Samples per replica in a step (default 16)'],
  ['--batch <n>', 'Global batch: samples of a step over all replicas, instead of --replica-batch'],
  ['--grains <n>', 'Pieces of a batch in which sums are formed (default 32, 64 from 512 samples)'],
  [
    '--micro-batches <k>',
    'Compute a batch in k parts, with the same bits; auto: the fewest that fit',
    ['auto'],
  ],
  ['--drop-last', 'Leave out a last batch that is not full'],
  [
    '--shards <how>',
    'Samples of each replica: iid, by-class, dirichlet:0.3, by-domain (default iid)',
    ['iid', 'by-class', 'by-domain', 'dirichlet:0.3'],
  ],
];

export const lossFlags: readonly FlagText[] = [
  [
    '--loss <name|file>',
    'cross-entropy, binary-cross-entropy, mse, l1, huber or a .json file (default by the targets)',
    LOSS_WORDS,
  ],
  ['--label-smoothing <x>', 'For cross-entropy (default 0)'],
  ['--class-weights <list>', 'For cross-entropy: a weight for each class, such as 1,1,5'],
  ['--ignore-index <label>', 'For cross-entropy: leave out samples or pixels with this label'],
  ['--heads <list>', "Weights of the losses of the model's heads, 'aux=0.4'; they use --loss"],
];

export const augmentationFlags: readonly FlagText[] = [
  ['--mixup <alpha>', 'Mix each sample with another one, with shares from Beta(alpha)'],
  ['--cutmix <alpha>', 'Replace a box of each image with that of another one'],
  ['--shift <n>', 'Move images by up to n pixels'],
  ['--flip', 'Mirror half of the images'],
];

export const seedFlags: readonly FlagText[] = [
  ['--seed <n>', 'Seed of all random numbers (default 1)'],
  ['--strict', 'The same bits on every machine'],
];

export const validationFlags: readonly FlagText[] = [
  [
    '--validate <split>',
    'Evaluate test or validation samples at the end of each epoch',
    ['test', 'validation'],
  ],
  [
    '--validation-split <x>',
    'Hold out a share (below 1) or count of the training samples for validation',
  ],
  ['--early-stopping <n>', 'Stop after n epochs in a row without an improvement'],
  [
    '--monitor <what>',
    'What must improve: loss, accuracy or meanIou (default loss)',
    ['loss', 'accuracy', 'meanIou'],
  ],
  ['--min-delta <x>', 'With --early-stopping: least improvement that counts (default 0)'],
  ['--best <file>', 'Write a checkpoint of the best epoch so far'],
];

export const lengthFlags: readonly FlagText[] = [
  ['--epochs <n>', 'Total epochs, including those before a resume (default 1)'],
  ['--max-steps <n>', 'Stop after n total steps'],
  ['--ema <decay>', 'Keep an exponential moving average of the weights, such as 0.999'],
  ['--swa-from <epoch>', 'Keep the mean of the weights at the ends of epochs from this one on'],
  [
    '--on-non-finite <what>',
    'stop (exit code 1) or continue if numbers are not finite (default stop)',
    ['stop', 'continue'],
  ],
];

export const checkpointFlags: readonly FlagText[] = [
  ['--checkpoint <file>', 'Write a checkpoint at the end of each epoch, at the end and on Ctrl-C'],
  ['--checkpoint-every <n>', 'Also after every n steps'],
  ['--keep <n>', 'Keep the last n checkpoints; older ones are named by step (default 1)'],
  ['--resume <file>', 'Continue from a checkpoint, with its settings; --norm replaces its norms'],
  ['--resume-or-start <file>', 'The same if the file exists, otherwise a new run that writes it'],
  ['--overwrite', 'Let --checkpoint and --best replace files of other runs'],
];

export const observerFlags: readonly FlagText[] = [
  ['--report <file>', 'Write a page with curves, norms and gradients at the end'],
  ['--watch [port]', 'Serve that page during training, on this machine (default port 8710)'],
  ['--watch-host <host>', 'With --watch: address to listen on; the URL then has a token'],
  ['--diagnostics <n>', 'Compare the batch statistics of replicas every n steps (default 50)'],
  ['--profile', "Show where a step's time goes: by phase and layer, waiting separate"],
  ['--trace <file>', 'Write the last 20 steps for chrome://tracing and ui.perfetto.dev'],
  ['--tensorboard <folder>', 'Write an event file for TensorBoard to a folder'],
  ['--log <file>', 'Append the events to a file: one JSON object per line, or rows of a .csv file'],
];

/** For commands that show a model. */
export const viewedGroups: readonly FlagGroup[] = [
  {
    heading: 'Model',
    flags: [
      [
        '--input-shape <shape>',
        'Shape of a sample, channels last, as 224x224x3 (default: see syncbn models)',
      ],
      ['--classes <n>', 'For a model by name: number of classes (default: see syncbn models)'],
      ...picked(modelFlags, ['width', 'stem', 'zero-init-residual']),
      ...moduleFlags,
    ],
  },
  {
    heading: 'Normalization',
    flags: [
      [
        '--norm <kind>',
        'sync, local, group, layer, instance, none, auto; for a checkpoint also frozen ' +
          '(default: sync; for files: their own)',
        NORM_WORDS,
      ],
      ...picked(normFlags, ['norm-kinds', 'group-size', 'num-groups']),
    ],
  },
  {
    heading: 'Replicas and batches',
    flags: [
      ['--replicas <n>', 'Simulated devices, at most 1024 (default 8, or those of the checkpoint)'],
      ['--batch <n>', 'Samples of a step over all replicas (default 16 for each)'],
    ],
  },
];
