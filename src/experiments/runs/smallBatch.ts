// Small batches: test error by per-replica batch size, for local batch norm, SyncBN, group norm and
// others. The number of replicas is constant; the learning rate scales with the batch (Goyal et al.
// 2017), as in the curve published by Wu and He 2018.

import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { cosine } from '../../optim/schedule.ts';
import {
  COMPARED_NORMS,
  type ComparedNorm,
  netSettings,
  TRAINING_CHOICES,
} from '../engine/choices.ts';
import { choiceIn, numberIn, seedsOf } from '../engine/compare.ts';
import type {
  Experiment,
  ExperimentOptions,
  NetContext,
  PlainRecord,
  RunContext,
  RunSpec,
} from '../engine/experiment.ts';
import type { RunValues } from '../engine/resultSchema.ts';
import { resultWith } from '../engine/resultSchema.ts';
import { epochsIn } from '../engine/samples.ts';
import { trainCurve } from './lossCurve.ts';
import { REPLICA_NORM_TITLES } from './plainNets.ts';
import { analyse } from './smallBatchAnalysis.ts';
import { MOMENTUM, REPLICAS, SINGLE_TITLE, sizeFor, smallBatchNet } from './smallBatchSetup.ts';

/** Windows of the loss curve per epoch. */
const WINDOWS = 2;

function plan(options: ExperimentOptions): readonly RunSpec[] {
  const { norms, batches, smallest, samples, epochs, rate, rateBatch } = sizeFor(options);
  const specOf = (norm: ComparedNorm, replicas: number, batch: number, seed: number): RunSpec => ({
    label:
      replicas === 1
        ? `${SINGLE_TITLE}, batch ${batch}, seed ${seed}`
        : `${REPLICA_NORM_TITLES[norm]}, batch ${replicas} x ${batch}, seed ${seed}`,
    settings: {
      data: options.data,
      ...netSettings(options),
      norm,
      replicas,
      replicaBatch: batch,
      rate: (rate * replicas * batch) / (REPLICAS * rateBatch),
      samples,
      epochs,
      seed,
    },
    // Small batches take longer, because of the overhead per step.
    cost: (samples * epochs * (1 + 1 / batch)) / 1000,
  });
  // Seed by seed, so that an experiment stopped early has results for every variant.
  return seedsOf(options).flatMap((seed) => [
    ...batches.flatMap((batch) => norms.map((norm) => specOf(norm, REPLICAS, batch, seed))),
    ...(norms.includes('sync') ? [specOf('local', 1, REPLICAS * smallest, seed)] : []),
  ]);
}

function nets(settings: PlainRecord, context: NetContext): readonly LayerSpec[] {
  return [smallBatchNet(context, choiceIn(settings, 'norm', COMPARED_NORMS))];
}

async function run({ settings }: RunSpec, context: RunContext): Promise<RunValues> {
  const { training, stepsPerEpoch } = epochsIn(settings, context.dataset);
  const result = await trainCurve(
    {
      model: nets(settings, context)[0]!,
      ...training,
      optimizer: sgd({ lr: numberIn(settings, 'rate'), momentum: MOMENTUM }),
      schedule: cosine(),
      windowSteps: Math.ceil(stepsPerEpoch / WINDOWS),
      evaluates: ['test'],
    },
    context,
  );
  const { error, loss } = result.test!;
  return {
    values: { testError: error, testLoss: loss, trainLoss: result.losses.at(-1)! },
    timings: { trainMs: result.trainMs, stepMs: result.trainMs / training.steps },
  };
}

/** See docs/experiments/small-batch.md. */
export const smallBatch: Experiment = {
  name: 'small-batch',
  title: 'Small batches: local batch norm, SyncBN and group norm',
  hypothesis:
    'With few samples per replica, local batch norm loses accuracy. SyncBN keeps the accuracy of ' +
    'one device with the whole batch, and group norm does not depend on the batch.',
  defaults: { data: 'fashion-mnist', quickData: 'fashion-mnist', seeds: 5, quickSeeds: 3 },
  choices: TRAINING_CHOICES,
  plan,
  nets,
  run,
  resultSchema: () => resultWith(['testError', 'testLoss', 'trainLoss']),
  analyse,
};
