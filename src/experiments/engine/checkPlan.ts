// Checks all planned runs against the data and the caller's net before the first run: whether the
// data fills a batch and has test samples, and whether shapes and values per norm fit.

import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import { sgd } from '../../optim/optimizer.ts';
import { checkStart, planStart } from '../../runtime/planStart.ts';
import { checkHasBatchNorm } from './choices.ts';
import type { Experiment, ExperimentOptions, RunSpec } from './experiment.ts';

/** Throws a {@link UsageError} for the first run that is not possible. */
export function checkPlan(
  experiment: Experiment,
  planned: readonly RunSpec[],
  { net }: ExperimentOptions,
  dataset: Dataset,
): void {
  if (net !== undefined) checkHasBatchNorm(net);
  if (dataset.test.count === 0) {
    throw new UsageError({
      what: `test samples of ${dataset.name}`,
      given: 0,
      allowed: 'at least 1: experiments compare errors on them',
    });
  }
  const seen = new Set<string>();
  for (const { label, settings } of planned) {
    const { replicas, replicaBatch } = settings;
    if (typeof replicas !== 'number' || typeof replicaBatch !== 'number') continue;
    checkCount(dataset, { label, replicas, replicaBatch });
    for (const model of experiment.nets?.(settings, { dataset, net: net?.model }) ?? []) {
      const key = JSON.stringify([model, replicas, replicaBatch]);
      if (seen.has(key)) continue;
      seen.add(key);
      const optimizer = sgd({ lr: 1 });
      const run = { model, data: dataset, optimizer, replicas, replicaBatch, dropLast: true };
      checkStart(planStart({ ...run, workers: 1 }));
    }
  }
}

/** Experiments train on full batches only. */
function checkCount(
  { name, train }: Dataset,
  run: { readonly label: string; readonly replicas: number; readonly replicaBatch: number },
): void {
  const needed = run.replicas * run.replicaBatch;
  if (train.count >= needed) return;
  const most = Math.floor(train.count / run.replicas);
  const batch = `${run.replicas} x ${run.replicaBatch}`;
  throw new UsageError({
    what: `training samples of ${name}`,
    given: train.count,
    allowed: `at least ${needed}, one batch of ${batch} (${run.label})`,
    ...(most > 1 && { hint: `--replica-batches of at most ${most}` }),
  });
}
