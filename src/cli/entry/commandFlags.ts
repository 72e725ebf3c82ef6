// The flags of the commands, under the headings of the help. Help, docs/commands.md, completion and
// settings files are all made from these lists.

import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import { fineTuneFlags } from '../settings/fineTuneFlags.ts';
import { type FlagGroup, type FlagText, filterGroups, flagOf } from '../settings/flagText.ts';
import { DATA_WORDS, MODEL_WORDS } from '../settings/flagWords.ts';
import { lrFindFlags } from '../settings/lrFindFlags.ts';
import { optimizerFlags, scheduleFlags } from '../settings/rateFlags.ts';
import { simulationGroups } from '../settings/simulateFlags.ts';
import { CROSSED_FLAGS, SWEPT_FLAGS } from '../settings/sweptFlags.ts';
import {
  augmentationFlags,
  batchFlags,
  checkpointFlags,
  dataFlags,
  eventFlag,
  lengthFlags,
  lossFlags,
  modelFlags,
  moduleFlags,
  normFlags,
  noWideFlag,
  observerFlags,
  processFlags,
  seedFlags,
  settingsFlags,
  shownFlags,
  streamFlags,
  validationFlags,
  viewedGroups,
  workerFlags,
  workersFlag,
} from './flagLists.ts';

const workers: FlagGroup = { heading: 'Workers and processes', flags: workerFlags };
const output: FlagGroup = { heading: 'Output', flags: [eventFlag, ...shownFlags] };
const settings: FlagGroup = { heading: 'Settings', flags: settingsFlags };
const modules: FlagGroup = { heading: 'Custom layers', flags: moduleFlags };
const answer: FlagGroup = {
  heading: 'Output',
  flags: [['--json', 'Print one JSON object'], ...shownFlags],
};

/** Flags that define the network and its batches. */
const network: readonly FlagGroup[] = [
  { heading: 'Data', flags: dataFlags },
  { heading: 'Model', flags: [...modelFlags, ...moduleFlags] },
  { heading: 'Normalization', flags: normFlags },
  { heading: 'Replicas and batches', flags: batchFlags },
];

/** For `syncbn data`; its argument is the data. */
export const surveyGroups: readonly FlagGroup[] = [
  {
    heading: 'Data',
    flags: [
      ...dataFlags.filter(([name]) => !/^--(data|limit) /.test(name)),
      ['--stream', 'For a packed set: what is known without reading it (default if it is large)'],
    ],
  },
  answer,
];

/** For commands that print an answer and end. */
export const answerGroups: readonly FlagGroup[] = [answer];

export const inspectGroups: readonly FlagGroup[] = [
  {
    heading: 'Settings',
    flags: [['--print-config', 'Print the settings of the run in the form of --config']],
  },
  answer,
];

/** For `syncbn pack`. */
export const packGroups: readonly FlagGroup[] = [
  {
    heading: 'Images',
    flags: [
      ['--size <size>', 'Height and width, as 64x64 (default: that of all images)'],
      [
        '--fit <how>',
        'How images are resized: cover (crop), fill (stretch), contain (bars; default cover)',
        ['cover', 'fill', 'contain'],
      ],
      ['--gray', 'One channel (default: if all images are gray)'],
      [
        '--binary-masks',
        'Bright pixels of a mask are class 1 (default: grays or indexes are classes)',
      ],
      ['--test-split <x>', 'A share (below 1) or count of the images to test with'],
    ],
  },
  answer,
];

/** For `syncbn summary`. */
export const summaryGroups: readonly FlagGroup[] = [...viewedGroups, answer];

/** For `syncbn init`. */
export const initGroups: readonly FlagGroup[] = [
  ...viewedGroups,
  {
    heading: 'Output',
    flags: [
      ['--out <file>', 'Write a file instead of printing'],
      ['--overwrite', 'Let --out replace an existing file'],
      ...shownFlags,
    ],
  },
];

/** Other flags that decide the numbers of a step. */
const step: readonly FlagGroup[] = [
  { heading: 'Loss', flags: lossFlags },
  { heading: 'Augmentation', flags: augmentationFlags },
  { heading: 'Reproducibility', flags: seedFlags },
];

export const trainGroups: readonly FlagGroup[] = [
  ...network,
  { heading: 'Data larger than memory', flags: streamFlags },
  { heading: 'Fine-tuning', flags: fineTuneFlags },
  { heading: 'Length of the run', flags: lengthFlags },
  { heading: 'Optimization', flags: optimizerFlags },
  { heading: 'Learning rate schedule', flags: scheduleFlags },
  ...step,
  { heading: 'Validation', flags: validationFlags },
  { heading: 'Checkpoints', flags: checkpointFlags },
  {
    heading: 'Workers and processes',
    flags: [
      ...workerFlags,
      ['--elastic', 'Continue with the other workers if one dies, with the same bits'],
      ...processFlags,
      ['--hostfile <file>', 'Run on the hosts of a file with one host per line, through MPI'],
      ['--max-restarts <n>', 'With several processes: continue after a death, up to n times'],
      ['--dry-run', "With several processes: show MPI's command line"],
    ],
  },
  { heading: 'Output', flags: [...observerFlags, eventFlag, ...shownFlags] },
  settings,
];

export const evalGroups: readonly FlagGroup[] = [
  {
    heading: 'What to evaluate',
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--model <file>', 'Instead of a checkpoint: a net in an .onnx file, on --data'],
      ['--average', 'The average of the weights that the run keeps, with exact statistics'],
      ['--precise-norm <n>', 'First measure running statistics again over n training batches'],
      [
        '--eval-correction <x>',
        'Weight of a sample in its own statistics, 0 to 1, or auto',
        ['auto'],
      ],
      ['--metrics <list>', 'Also top<k>, confusion, f1, iou, auc; for a regression r2, mae'],
    ],
  },
  { heading: 'Data', flags: [...dataFlags, ...streamFlags] },
  modules,
  workers,
  output,
  settings,
];

export const foldGroups: readonly FlagGroup[] = [
  {
    heading: 'Files',
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--out <file>', 'The checkpoint to write'],
      ['--overwrite', 'Let --out replace an existing file'],
      ['--tolerance <x>', 'Largest difference of an output, as a share (default 1e-4)'],
    ],
  },
  { heading: 'Data', flags: dataFlags },
  modules,
  workers,
  output,
  settings,
];

/** The data on which an average's statistics are measured. */
export const exportGroups: readonly FlagGroup[] = [
  {
    heading: 'Files',
    flags: [
      ['--to <file>', "What to write: .safetensors, with PyTorch's names and layouts, or .onnx"],
      [
        '--average',
        'Export the average of the weights, with exact statistics on the data of the run',
      ],
      ['--overwrite', 'Let --to replace an existing file'],
    ],
  },
  {
    heading: 'ONNX',
    flags: [
      ['--fold', 'Fold batch normalization into the layers before it'],
      ['--standardized', "Take inputs as the net does, not in the data's units"],
    ],
  },
  { heading: 'Data', flags: dataFlags },
  modules,
  workers,
  output,
  settings,
];

export const verifyGroups: readonly FlagGroup[] = [
  {
    heading: 'What to repeat',
    flags: [
      ['--steps <n>', 'Steps from the checkpoint on (default 5)'],
      ['--node <file>', 'Also under this Node; for runs with --strict'],
      ['--hashes', 'Only print the hashes of the steps, as JSON'],
    ],
  },
  { heading: 'Data', flags: dataFlags },
  modules,
  workers,
  output,
  settings,
];

/** Those of `train` that make sense for a short run. */
export const doctorGroups: readonly FlagGroup[] = [
  {
    heading: 'What to check instead of a model',
    flags: [
      ['--env', 'This machine: Node, cores, memory, kernels, packages, temporary files'],
      ['--mpi', 'MPI: the library, its speed, whether bits agree'],
      ['--processes <n>', 'With --mpi: in this many processes on this machine (default 2)'],
      ['--nodes <list>', 'With --mpi: on these hosts, a,b:2'],
    ],
  },
  { heading: 'Data', flags: dataFlags },
  {
    heading: 'Model and batches',
    flags: [
      ['--model <name|file>', 'One of syncbn models, or a .json file', MODEL_WORDS],
      ['--replicas <n>', 'Simulated devices, at least 2 (default 8)'],
      ['--replica-batch <n>', 'Samples per replica in a step (default 16)'],
      ...moduleFlags,
    ],
  },
  {
    heading: 'Training',
    flags: [
      ['--steps <n>', 'Steps with each norm: local, sync and group (default 120)'],
      ['--budget <seconds>', 'Time for all training; cuts the steps (default 60)'],
      ['--optimizer <name>', `${OPTIMIZER_NAMES.join(', ')} (default sgd)`, OPTIMIZER_NAMES],
      ['--lr <rate>', "Learning rate (default 0.1 for sgd, else the optimizer's own)"],
      ...seedFlags,
    ],
  },
  workers,
  output,
  settings,
];

/** Data as for other commands, or only inputs. */
export const predictGroups: readonly FlagGroup[] = [
  {
    heading: 'Files',
    flags: [
      ['--checkpoint <file>', 'The checkpoint'],
      ['--out <file>', 'What to write: scores.csv, or scores.npy with an array [n, outputs]'],
      ['--overwrite', 'Let --out replace an existing file'],
    ],
  },
  {
    heading: 'Data',
    flags: [
      [
        '--split <name>',
        'test or train (default test); all inputs of a .npy file',
        ['test', 'train'],
      ],
      ...dataFlags.map(([usage, text, words]): FlagText => {
        return usage.startsWith('--data ')
          ? [usage, `A .npy file of inputs, or ${text}`, words ?? []]
          : [usage, text, words ?? []];
      }),
    ],
  },
  modules,
  workers,
  output,
  settings,
];

export const lrFindGroups: readonly FlagGroup[] = [
  { heading: 'The test', flags: lrFindFlags },
  ...network,
  {
    heading: 'Optimization',
    flags: optimizerFlags.filter(([usage]) => !usage.startsWith('--lr')),
  },
  ...step,
  workers,
  output,
  settings,
];

export const experimentGroups: readonly FlagGroup[] = [
  {
    heading: 'The experiment',
    flags: [
      ['--quick', 'Fewer and shorter runs: minutes, with wider intervals'],
      ['--seeds <n>', 'Repetitions with seeds 1 to n (default 5, with --quick 2 or 3)'],
      ['--out <folder>', 'Where results and report go (default experiments/<name>)'],
    ],
  },
  {
    heading: 'What it trains',
    flags: [
      ['--data <name|dir>', 'Like train; fashion-mnist is fetched once', DATA_WORDS],
      [
        '--model <name|file>',
        "Instead of the experiment's net: one of syncbn models, or a .json file",
        MODEL_WORDS,
      ],
      ['--lr <rate>', 'Learning rate; if batches differ, for the largest'],
      ['--replica-batches <list>', 'Samples per replica in a step, such as 8,4,2'],
      ['--norms <list>', 'From local, sync, group, layer, instance, none'],
      ['--epochs <n>', 'Epochs of each run'],
      [
        '--conventions <list>',
        'For peers: pytorch-ddp, keras, flax, detectron2, detectron2-n, mxnet, apex',
      ],
      ...moduleFlags,
    ],
  },
  { heading: 'Workers', flags: [workersFlag, noWideFlag] },
  output,
  settings,
];

/** What `sweep` crosses, and its own flags. */
export const sweepGroups: readonly FlagGroup[] = [
  {
    heading: 'The sweep',
    flags: [
      ['--out <folder>', 'Where results and report go (default experiments/sweep)'],
      ['--jobs <n>', 'Runs at a time (default 1)'],
      ['--dry-run', 'List the runs without starting them'],
    ],
  },
  ...filterGroups(trainGroups, ({ name }) => SWEPT_FLAGS.includes(name)).map(
    ({ heading, flags }) => ({ heading, flags: flags.map(crossed) }),
  ),
  modules,
  workers,
  output,
  settings,
];

/** A flag that may have several values. */
function crossed(text: FlagText): FlagText {
  const { name } = flagOf(text);
  const [, meaning, words = []] = text;
  return CROSSED_FLAGS.includes(name) ? [`--${name} <list>`, meaning, words] : text;
}

export const simulateGroups: readonly FlagGroup[] = [...simulationGroups, output, settings];

/** For commands that only print text. */
export const textGroups: readonly FlagGroup[] = [{ heading: 'Output', flags: shownFlags }];
