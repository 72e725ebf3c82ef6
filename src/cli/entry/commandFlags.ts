// The flags of the commands, as they stand in the help.

import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import { fineTuneFlags } from '../settings/fineTuneFlags.ts';
import { optimizerFlags, scheduleFlags } from '../settings/rateFlags.ts';
import { SWEPT_FLAGS } from '../settings/sweptFlags.ts';

/** A flag as it stands in the help. */
export type FlagText = readonly [name: string, text: string];

export const dataFlags: readonly FlagText[] = [
  [
    '--data <name|path>',
    'mnist, fashion-mnist, synthetic, scenes, small-scenes, fashion-scenes, an npz or CSV file, ' +
      'or a folder of IDX, CIFAR, npy, npz, CSV or PNG files (default mnist)',
  ],
  ['--layout <how>', 'Of npy and npz files: channelsLast or channelsFirst (see docs/data.md)'],
  ['--target <column>', 'Of CSV files: what to predict (default: label, target or class)'],
  ['--ignore-columns <list>', 'Of CSV files: columns that are not read'],
  ['--regression', 'Of npy, npz and CSV files: whole numbers as targets are not classes'],
  ['--classes <n>', 'Of data in files: how many (default: as the targets have)'],
  [
    '--test-split <x>',
    'Of data without test samples: a share (below 1) or count of the samples to test with',
  ],
  ['--limit <n>', 'Only n training samples, drawn from all'],
];

export const moduleFlags: readonly FlagText[] = [
  [
    '--allow-modules [list]',
    'Run the code of custom layers that a checkpoint or .json model names: all, or a list',
  ],
];

const noWideFlag: FlagText = [
  '--no-wide',
  'Do not use kernels for vectors that V8 packs in pairs; they give the same bits faster',
];

export const commonFlags: readonly FlagText[] = [
  ['--workers <n>', 'Threads; they decide how fast (default: one for each core)'],
  ['--timeout-ms <ms>', 'How long workers wait for each other (default 60000)'],
  noWideFlag,
  ['--json', 'Events on stdout, one JSON object a line'],
  ['--debug', 'Show where an error came from'],
];

/** Of commands that say what they know and end. */
export const jsonFlags: readonly FlagText[] = [
  ['--json', 'One JSON object'],
  ['--debug', 'Show where an error came from'],
];

/** The flags with these names. */
function picked(of: readonly FlagText[], names: readonly string[]): readonly FlagText[] {
  return names.map((name) => of.find(([flag]) => flag.split(' ')[0] === name)!);
}

/** Of `syncbn data`, whose argument is the data. */
export const surveyFlags: readonly FlagText[] = [
  ...dataFlags.filter(([name]) => !/^--(data|limit) /.test(name)),
  ...jsonFlags,
];

/** Of `syncbn pack`. */
export const packFlags: readonly FlagText[] = [
  ['--size <size>', 'Height and width, as 64x64 (default: that of all images)'],
  ['--fit <how>', 'How images get it: cover (cut), fill (stretch), contain (bars; default cover)'],
  ['--gray', 'One channel (default: where all images are gray)'],
  ['--binary-masks', 'What is bright in a mask is class 1 (default: grays or indexes are classes)'],
  ['--test-split <x>', 'A share (below 1) or count of the images to test with'],
  ...jsonFlags,
];

/** What decides the network and its batches. */
export const networkFlags: readonly FlagText[] = [
  ...dataFlags,
  ['--model <name|file>', 'One of syncbn models, a .json or .onnx file (default mnist-cnn)'],
  ['--width <x>', 'What the channels of a resnet or the like are multiplied by (default 1)'],
  [
    '--stem <how>',
    'imagenet makes the image small at once, cifar does not (default: imagenet from 64 pixels on)',
  ],
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
  ['--micro-batches <k>', 'Compute a batch in k parts, with the same bits; auto: as few as fit'],
  ['--drop-last', 'Leave out a last batch that is not full'],
  [
    '--shards <how>',
    'Samples of each replica: iid, by-class, dirichlet:0.3, by-domain (default iid)',
  ],
  ['--zero-init-residual', 'Of resnets: each block starts as its shortcut'],
  [
    '--direct-convolutions',
    "No convolution by Winograd's algorithm: smaller rounding errors, slower steps",
  ],
];

const modelFlags: readonly FlagText[] = [
  [
    '--input-shape <shape>',
    'A sample, channels last, as 224x224x3 (default: as syncbn models says)',
  ],
  ['--classes <n>', 'Of a model by name: how many (default: as syncbn models says)'],
  [
    '--norm <kind>',
    'sync, local, group, layer, instance, none, auto; of a checkpoint also frozen ' +
      '(default: sync; of files: as it is written)',
  ],
  ...picked(networkFlags, ['--norm-kinds', '--group-size', '--num-groups']),
  ['--replicas <n>', 'Simulated devices, at most 1024 (default 8, or those of the checkpoint)'],
  ['--batch <n>', 'Samples of a step over all replicas (default 16 for each)'],
  ...picked(networkFlags, ['--width', '--stem', '--zero-init-residual']),
  ...moduleFlags,
];

/** Of `syncbn summary`. */
export const summaryFlags: readonly FlagText[] = [...modelFlags, ...jsonFlags];

/** Of `syncbn init`. */
export const initFlags: readonly FlagText[] = [
  ['--out <file>', 'Write a file instead of printing'],
  ['--overwrite', 'Let --out replace a file that is there'],
  ...modelFlags,
  ...picked(jsonFlags, ['--debug']),
];

/** What else decides the numbers of a step. */
export const stepFlags: readonly FlagText[] = [
  [
    '--loss <name|file>',
    'cross-entropy, binary-cross-entropy, mse, l1, huber or a .json file (default by the targets)',
  ],
  ['--label-smoothing <s>', 'Of the cross-entropy (default 0)'],
  ['--class-weights <list>', 'Of the cross-entropy: a weight for each class, such as 1,1,5'],
  ['--ignore-index <label>', 'Of the cross-entropy: leave out samples or pixels with this label'],
  [
    '--heads <list>',
    "Weights of the losses of the model's heads, 'aux=0.4': the loss is that of --loss",
  ],
  ['--mixup <alpha>', 'Augmentation: mix each sample with another one, shares from Beta(alpha)'],
  ['--cutmix <alpha>', 'Augmentation: replace a box of each image by that of another one'],
  ['--shift <n>', 'Augmentation: move images by up to n pixels'],
  ['--flip', 'Augmentation: mirror half of the images'],
  ['--seed <n>', 'Decides all random numbers (default 1)'],
  ['--strict', 'The same bits on every machine'],
];

export const trainFlags: readonly FlagText[] = [
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
  ['--early-stopping <n>', 'Stop after n epochs in a row without an improvement'],
  ['--monitor <what>', 'What has to get better: loss, accuracy or meanIou (default loss)'],
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
  ['--tensorboard <folder>', 'Write an event file for TensorBoard into a folder'],
  ['--log <file>', 'Append the events to a file: a JSON object a line, or rows of a .csv file'],
  ...moduleFlags,
  ...commonFlags,
];

/** Those of `train` that a short run has a use for. */
export const doctorFlags: readonly FlagText[] = [
  ...dataFlags,
  ['--model <name|file>', 'One of syncbn models, or a .json file (default mnist-cnn)'],
  ['--replicas <n>', 'Simulated devices, at least 2 (default 8)'],
  ['--replica-batch <n>', 'Samples of each replica in a step (default 16)'],
  ['--steps <n>', 'Steps with each norm: local, sync and group (default 120)'],
  ['--budget <seconds>', 'Time for all training; cuts the steps (default 60)'],
  ['--env', 'Instead look at this machine: Node, cores, which kernels run and why'],
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

/** Data as elsewhere, or inputs alone. */
export const predictFlags: readonly FlagText[] = [
  ['--checkpoint <file>', 'The checkpoint'],
  ['--out <file>', 'What to write: scores.csv, or scores.npy with an array [n, outputs]'],
  ['--overwrite', 'Let --out replace a file that is there'],
  ['--split <name>', 'test or train (default test); of inputs in a .npy file all'],
  ...dataFlags.map(([flag, text]) => {
    return [flag, flag.startsWith('--data') ? `A .npy file of inputs, or ${text}` : text] as const;
  }),
  ...moduleFlags,
  ...commonFlags,
];

export const experimentFlags: readonly FlagText[] = [
  ['--quick', 'Fewer and shorter runs: minutes, with wider intervals'],
  ['--seeds <k>', 'Repetitions with seeds 1 to k (default 5, with --quick 2 or 3)'],
  ['--data <name|dir>', 'As train takes it; fashion-mnist is fetched once'],
  ['--model <name|file>', "Instead of the experiment's net: one of syncbn models, or a .json file"],
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
  noWideFlag,
  ['--json', 'Events on stdout, one JSON object a line'],
  ['--debug', 'Show where an error came from'],
];

/** What `sweep` crosses, and what is its own. */
export const sweepFlags: readonly FlagText[] = [
  ...trainFlags.filter(([flag]) => SWEPT_FLAGS.includes(flag.split(' ')[0]!.slice(2))),
  ['--out <folder>', 'Where results and report go (default experiments/sweep)'],
  ['--jobs <n>', 'Runs at a time (default 1)'],
  ['--dry-run', 'List the runs and do none'],
  ...moduleFlags,
  ...commonFlags,
];
