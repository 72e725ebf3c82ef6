// Evaluates a trained model on data that may differ from its run's data, in a separate arena that
// holds the samples.

import { cleaningUp } from '../base/cleanup.ts';
import { UsageError } from '../base/errors.ts';
import type { Dataset } from '../data/dataset.ts';
import { matchingSplit } from '../data/matching.ts';
import type { MetricName } from '../observe/metric.ts';
import { checkInference } from '../plan/feasible.ts';
import { parseEvaluateDataOptions } from './door.ts';
import { type Evaluation, evaluateOn, metricsFor } from './evaluation.ts';
import { bindFeeds } from './feeds.ts';
import { type InferenceSetup, startInference } from './inferenceTeam.ts';
import type { EvaluateDataOptions } from './loadModel.ts';

/** Evaluates a model on a split of any data with matching shapes. Throws a {@link UsageError} if
 * the data does not fit. */
export async function evaluateSamples<Name extends MetricName = never>(
  model: Omit<InferenceSetup, 'samples'>,
  data: Dataset,
  given: EvaluateDataOptions<Name>,
): Promise<Evaluation<Name>> {
  const { split = 'test' } = parseEvaluateDataOptions(given);
  const samples = matchingSplit(model.config.data, data, split);
  if (samples.count === 0) {
    throw new UsageError({
      what: `evaluate of '${split}' on ${data.name}`,
      problem: 'has no samples',
    });
  }
  const { team, memory, ...inference } = await startInference({ ...model, samples });
  const feeds = bindFeeds(data, inference.samples, team.plan.config);
  const run = {
    plan: team.plan,
    memory,
    samples: inference.samples,
    team,
    feeds,
    network: undefined,
  };
  return cleaningUp(
    async () => {
      checkInference(`evaluate of '${split}'`, team.plan, samples.count);
      const counted = metricsFor(run, 'test', given.metrics ?? []);
      return evaluateOn(run, 'test', samples.count, counted);
    },
    () => team.close(),
  );
}
