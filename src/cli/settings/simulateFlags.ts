// The flags of `syncbn simulate`, as they stand in its help.

export const simulateFlags: readonly (readonly [name: string, text: string])[] = [
  [
    '--net <name|file>',
    'resnet50, resnet20, refnet, mnist-cnn or a .json file (default resnet50; measured: refnet)',
  ],
  [
    '--allow-modules [list]',
    'Run the code of custom layers that a .json net names: all, or a list',
  ],
  ['--input <shape>', 'A sample, channels last, as 224x224x3 (default: what the net is made for)'],
  [
    '--device <name>',
    'v100, v100-amp, a100, a100-amp, h100, h100-amp, or measured: this machine (default v100)',
  ],
  ['--devices <list>', 'How many, as 1,8,64 (default 1, 2, 4, ... 1024)'],
  ['--replica-batch <n>', 'Samples of each device in a step (default 32)'],
  ['--step-ms <ms>', 'Scale the device to this step, measured on one with local batch norm'],
  ['--call-us <us>', 'What the host spends to issue an operation (default: by the device)'],
  ['--per-node <n>', 'Devices of a node (default: by the device)'],
  ['--intra <link>', 'Within a node: nvlink2 to 4, pcie3 to 5 (default: by the device)'],
  ['--inter <link>', 'Between nodes: ib-edr, ib-hdr, ib-ndr, ethernet-10g, -25g, -100g'],
  ['--cards <n>', 'Network cards of a node (default: by the device)'],
  ['--collective <name>', 'auto, ring, tree or hierarchical (default auto: the cheapest)'],
  ['--statistics <kind>', 'Forward: all-gather as PyTorch does, or all-reduce'],
  ['--group-size <k>', 'Devices that share statistics (default all)'],
  ['--bucket-mib <n>', 'Gradients that travel together (default 25)'],
  ['--share <percent>', 'What SyncBN may add to a step for a break-even (default 5)'],
  ['--measure', 'Measure this machine, and compare predictions with measurements'],
  ['--rounds <n>', 'With --measure: turns of each setting (default 20)'],
  ['--train-steps <n>', 'Also train the replicas for real, with local and synchronized norms'],
  ['--replicas <n>', 'With --train-steps: how many (default 8)'],
  ['--seed <n>', 'Decides all random numbers of real runs (default 1)'],
  ['--reports', 'Compare the model with published figures'],
  ['--out <dir>', 'Write results.csv, results.jsonl, plots and report.html'],
  ['--json', 'Events on stdout, one JSON object a line'],
  ['--debug', 'Show where an error came from'],
];
