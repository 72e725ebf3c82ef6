// The flags of `syncbn simulate`, under the headings of its help.

import type { FlagGroup } from './flagText.ts';
import { DEVICE_WORDS, LINK_WORDS, MODEL_WORDS } from './flagWords.ts';

/** All except those of every command. */
export const simulationGroups: readonly FlagGroup[] = [
  {
    heading: 'The job',
    flags: [
      [
        '--net <name|file>',
        'resnet50, resnet20, refnet, mnist-cnn or a .json file ' +
          '(default resnet50; measured: refnet)',
        MODEL_WORDS,
      ],
      [
        '--allow-modules [list]',
        'Run the code of custom layers that a .json net names: all, or a list',
      ],
      [
        '--input <shape>',
        'Shape of a sample, channels last, as 224x224x3 (default: that of the net)',
      ],
      ['--replica-batch <n>', 'Samples per device in a step (default 32)'],
      ['--group-size <k>', 'Devices that share statistics (default all)'],
      ['--share <percent>', 'What SyncBN may add to a step for a break-even (default 5)'],
    ],
  },
  {
    heading: 'Devices and links',
    flags: [
      [
        '--device <name>',
        'v100, v100-amp, a100, a100-amp, h100, h100-amp, or measured: this machine (default v100)',
        DEVICE_WORDS,
      ],
      ['--devices <list>', 'How many, as 1,8,64 (default 1, 2, 4, ... 1024)'],
      [
        '--step-ms <ms>',
        'Scale the device to this step time, measured on one with local batch norm',
      ],
      ['--call-us <us>', "Host's time to issue an operation (default: by the device)"],
      ['--per-node <n>', 'Devices per node (default: by the device)'],
      [
        '--intra <link>',
        'Within a node: nvlink2 to 4, pcie3 to 5 (default: by the device)',
        LINK_WORDS,
      ],
      [
        '--inter <link>',
        'Between nodes: ib-edr, -hdr, -ndr, ethernet-100m, -1g, -10g, -25g, -100g',
        LINK_WORDS,
      ],
      ['--cards <n>', 'Network cards per node (default: by the device)'],
      [
        '--collective <name>',
        'auto, ring, tree or hierarchical (default auto: the cheapest)',
        ['auto', 'ring', 'tree', 'hierarchical'],
      ],
      [
        '--statistics <how>',
        'Forward: all-gather as PyTorch does, or all-reduce',
        ['all-gather', 'all-reduce'],
      ],
      ['--bucket-mib <x>', 'MiB of gradients sent together (default 25)'],
    ],
  },
  {
    heading: 'Measurements',
    flags: [
      ['--measure', 'Measure this machine, and compare predictions with measurements'],
      ['--rounds <n>', 'With --measure: turns of each setting (default 20)'],
      ['--hosts <list>', 'With --measure, instead of devices: this library on 2,4,8 hosts'],
      [
        '--link <name|file>',
        'With --hosts: as --inter, or output of doctor --mpi --json (ethernet-10g)',
        LINK_WORDS,
      ],
      ['--batch <n>', 'With --hosts: samples of a step over all hosts (default 128)'],
      ['--workers <n>', 'With --hosts: threads per host (default: one per core here)'],
      ['--train-steps <n>', 'Also train the replicas for real, with local and synchronized norms'],
      ['--replicas <n>', 'With --train-steps: how many (default 8)'],
      ['--seed <n>', 'Seed of all random numbers of real runs (default 1)'],
      ['--reports', 'Compare the model with published figures'],
    ],
  },
  {
    heading: 'Files',
    flags: [['--out <dir>', 'Write results.csv, results.jsonl, plots and report.html']],
  },
];
