// `syncbn experiment NAME`: reads the choices from the flags, checks every resulting run, and
// performs the runs.

import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import type { Dataset } from '../../data/dataset.ts';
import { openDataset } from '../../data/open.ts';
import { checkPlan } from '../../experiments/engine/checkPlan.ts';
import { checkChoices } from '../../experiments/engine/choices.ts';
import {
  CHOICES,
  type Experiment,
  type ExperimentOptions,
} from '../../experiments/engine/experiment.ts';
import { subjectOf } from '../../experiments/engine/subject.ts';
import { EXPERIMENTS } from '../../experiments/runs/catalog.ts';
import { say, screen } from '../output/screen.ts';
import { type Flags, integersIn, wordsIn } from '../settings/flags.ts';
import { bareNetFrom } from '../settings/settings.ts';
import { runStudy } from './study.ts';

const DEFAULT_FOLDER = 'experiments';
const MAX_SEEDS = 1000;

export async function runExperimentCommand(flags: Flags, name?: string): Promise<number> {
  const experiment = experimentNamed(name);
  const chosen = CHOICES.filter((choice) => flags.has(choice));
  checkChoices(experiment, chosen);
  const isJson = flags.isSet('json');
  const workers = flags.integer('workers', 1);
  const asked = optionsFrom(flags, experiment);
  let opened: Promise<Dataset> | undefined;
  const openData = (notice: (text: string) => void): Promise<Dataset> => {
    opened ??= openDataset(asked.data, { onNotice: notice });
    return opened;
  };
  // Checked against the data before any run starts. Without choices, the plan is the experiment's
  // own, and its data, which may have to be fetched, is not needed if all runs are already done.
  const isOwn = flags.has('data') || chosen.some((choice) => choice !== 'norms' && choice !== 'lr');
  const tell = isJson ? (text: string) => screen.sayJson({ event: 'notice', text }) : say;
  const dataset = isOwn ? await openData(tell) : undefined;
  const options = dataset === undefined ? asked : await withData(flags, asked, dataset);
  const planned = experiment.plan(options);
  if (dataset !== undefined) checkPlan(experiment, planned, options, dataset);
  return runStudy({
    experiment,
    options,
    runs: planned.length,
    subject: subjectOf(experiment, options),
    folder: flags.text('out') ?? join(DEFAULT_FOLDER, experiment.name),
    isJson,
    workers,
    openData: (_settings, notice) => openData(notice),
  });
}

function experimentNamed(name: string | undefined): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (found !== undefined) return found;
  const names = EXPERIMENTS.map((experiment) => experiment.name);
  const hint = (of: string): string => `syncbn experiment ${of} --quick`;
  if (name === undefined) {
    const problem = `requires the name of an experiment: ${names.join(', ')}`;
    throw new UsageError({ what: 'syncbn experiment', problem, hint: hint(names[0]!) });
  }
  throw new UsageError({
    what: 'experiment',
    given: name,
    allowed: names.join(', '),
    hint: hint(nearestWord(name, names) ?? names[0]!),
  });
}

/** The choices that do not depend on the data. */
function optionsFrom(flags: Flags, { defaults }: Experiment): ExperimentOptions {
  const quick = flags.isSet('quick');
  const norms = wordsIn('--norms', flags.text('norms'));
  const conventions = wordsIn('--conventions', flags.text('conventions'));
  const replicaBatches = integersIn('--replica-batches', flags.text('replica-batches'), 1);
  const lr = flags.number('lr', 0);
  const epochs = flags.integer('epochs', 1);
  return {
    quick,
    seeds: flags.integer('seeds', 1, MAX_SEEDS) ?? (quick ? defaults.quickSeeds : defaults.seeds),
    data: flags.text('data') ?? (quick ? defaults.quickData : defaults.data),
    ...(norms !== undefined && { norms }),
    ...(conventions !== undefined && { conventions }),
    ...(replicaBatches !== undefined && { replicaBatches }),
    ...(lr !== undefined && { lr: checkRate(lr) }),
    ...(epochs !== undefined && { epochs }),
  };
}

function checkRate(lr: number): number {
  if (lr > 0) return lr;
  throw new UsageError({ what: '--lr', given: lr, allowed: 'a learning rate above 0' });
}

async function withData(
  flags: Flags,
  options: ExperimentOptions,
  dataset: Dataset,
): Promise<ExperimentOptions> {
  const facts = { inputShape: dataset.inputShape, countTrain: dataset.train.count };
  const name = flags.text('model');
  if (name === undefined) return { ...options, facts };
  const { model } = await bareNetFrom(flags, dataset);
  return { ...options, facts, net: { name, model } };
}
