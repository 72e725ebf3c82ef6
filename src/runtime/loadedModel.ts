// What loadModel gives: the queue of predictions, and evaluations beside it, each in an arena of
// its own with the samples.

import { setImmediate } from 'node:timers/promises';
import { cleaningUp } from '../base/cleanup.ts';
import { UsageError } from '../base/errors.ts';
import { type Checkpoint, checkCheckpoint, headOf } from '../checkpoint/checkpoint.ts';
import { readCheckpoint } from '../checkpoint/checkpointFile.ts';
import { foldBatchNorm } from '../checkpoint/foldNorm.ts';
import { hashWeights, namedWeights, weightName, weightsOf } from '../checkpoint/state.ts';
import { checkDataset, type Dataset } from '../data/dataset.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { matchingSplit } from '../data/matching.ts';
import { placeholderData } from '../data/placeholder.ts';
import { storedInputs } from '../data/shift.ts';
import { parseModel } from '../nn/models/parse.ts';
import { lossModulesOf } from '../nn/specs/lossModules.ts';
import { loadModules } from '../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec, MAIN_OUTPUT } from '../nn/specs/spec.ts';
import type { MetricName } from '../observe/metric.ts';
import type { RunConfig } from '../plan/config.ts';
import { checkInference } from '../plan/feasible.ts';
import { parseEvaluateDataOptions, parseLoadOptions } from './door.ts';
import { type Evaluation, evaluateOn, metricsFor } from './evaluation.ts';
import {
  type InferenceSetup,
  type InferenceTeam,
  inferenceConfig,
  startInference,
} from './inferenceTeam.ts';
import type { EvaluateDataOptions, LoadedModel, LoadOptions } from './loadModel.ts';
import {
  countInputs,
  type Inputs,
  type NamedOutputs,
  namedOutputs,
  Predictions,
} from './predict.ts';
import { checkTensors, configOf } from './resume.ts';

/** Loads what a checkpoint holds of a model. */
export async function loadFrom(
  source: string | Checkpoint,
  given: LoadOptions,
): Promise<LoadedModel> {
  const { threads = 0, fold = false, allowModules } = parseLoadOptions(given);
  const isPath = typeof source === 'string';
  const what = isPath ? `checkpoint ${source}` : 'checkpoint';
  const saved = isPath ? await readCheckpoint(source) : checkCheckpoint(source);
  const trained = configOf(saved, parseModel(saved.model, `the model of ${what}`), 1);
  checkDataset(placeholderData(what, trained.data));
  await loadModules([...customModulesOf(trained.model), ...lossModulesOf(trained)], allowModules);
  const place = { threads, isOwnThread: threads === 0 };
  const weights = fold ? foldedWeights(trained, saved) : savedWeights(what, trained, saved);
  const config = inferenceConfig(weights.config, Math.max(1, threads));
  const inference = await startInference({ config, fill: weights.fill, ...place });
  return new Loaded(inference, { ...place, data: saved.data, step: saved.counters.step });
}

/** What a model is made of, and what writes its weights. */
interface Weights extends Pick<InferenceSetup, 'fill'> {
  readonly config: RunConfig;
}

/** All as it was saved. Writing throws a {@link UsageError} where the model has other tensors. */
function savedWeights(what: string, config: RunConfig, saved: Checkpoint): Weights {
  const found = { ...saved, tensors: weightsOf(saved.tensors) };
  return {
    config,
    fill(tensors) {
      checkTensors(what, tensors, headOf(found));
      for (const [i, { values }] of tensors.entries()) values.set(found.tensors[i]!.values);
    },
  };
}

/** With normalizations folded. Throws a {@link UsageError} where the model has other tensors. */
function foldedWeights(config: RunConfig, saved: Checkpoint): Weights {
  const folded = foldBatchNorm(config.model, namedWeights(saved.tensors), config.data.inputShape);
  return {
    config: { ...config, model: folded.model },
    fill(tensors) {
      for (const tensor of tensors) {
        tensor.values.set(folded.weights.get(weightName(tensor))!.values);
      }
    },
  };
}

interface LoadedFrom {
  readonly data: DatasetDescription;
  readonly step: number;
  readonly threads: number;
  readonly isOwnThread: boolean;
}

class Loaded implements LoadedModel {
  readonly data: DatasetDescription;
  readonly step: number;
  readonly threads: number;
  private readonly inference: InferenceTeam;
  private readonly isOwnThread: boolean;
  private readonly predictions: Predictions;
  private isBusy = false;
  private countOpen = 0;
  private onIdle: (() => void) | undefined;
  private closed: Promise<void> | undefined;

  constructor(inference: InferenceTeam, { data, step, threads, isOwnThread }: LoadedFrom) {
    this.inference = inference;
    this.data = data;
    this.step = step;
    this.threads = threads;
    this.isOwnThread = isOwnThread;
    const { team, memory } = inference;
    this.predictions = new Predictions({
      plan: team.plan,
      memory,
      run: (size) => team.callAll((api) => api.predict(size)),
      tryEnter: () => {
        if (this.isBusy) return false;
        this.isBusy = true;
        return true;
      },
      leave: () => {
        this.isBusy = false;
      },
      // What other messages of this turn of the loop ask for goes with it.
      gather: () => setImmediate(),
    });
  }

  private get config(): RunConfig {
    return this.inference.team.plan.config;
  }

  get model(): LayerSpec {
    return this.config.model;
  }

  async predict(inputs: Inputs): Promise<Float32Array> {
    return (await this.predictAll(inputs))[MAIN_OUTPUT]!;
  }

  predictAll(inputs: Inputs): Promise<NamedOutputs> {
    return this.whileOpen('predict', async () => {
      const { config, inference } = this;
      const count = countInputs('predict', config, inputs);
      checkInference('predict', inference.team.plan, count);
      const outputs = await this.predictions.add(storedInputs(config.data, inputs), count);
      return namedOutputs(config, outputs);
    });
  }

  evaluate<Name extends MetricName = never>(
    data: Dataset,
    given: EvaluateDataOptions<Name> = {},
  ): Promise<Evaluation<Name>> {
    return this.whileOpen('evaluate', async () => {
      const { split = 'test', metrics = [] } = parseEvaluateDataOptions(given);
      const samples = matchingSplit(this.data, data, split);
      const { config, isOwnThread, inference } = this;
      if (samples.count === 0) {
        throw new UsageError({
          what: `evaluate of '${split}' on ${data.name}`,
          given: 'no samples',
          allowed: 'a split with samples',
        });
      }
      checkInference(`evaluate of '${split}'`, inference.team.plan, samples.count);
      const own = await startInference({
        ...{ config, isOwnThread, samples },
        fill(tensors) {
          for (const [i, { values }] of tensors.entries()) values.set(inference.tensors[i]!.values);
        },
      });
      const { team, memory } = own;
      const run = { plan: team.plan, memory, team, network: undefined };
      return cleaningUp(
        async () => {
          const counted = metricsFor(run, 'test', metrics as readonly Name[]);
          return evaluateOn(run, 'test', samples.count, counted);
        },
        () => team.close(),
      );
    });
  }

  weightsHash(): string {
    return hashWeights(this.inference.tensors);
  }

  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async end(): Promise<void> {
    if (this.countOpen > 0) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await this.inference.team.close();
  }

  /** Runs a call that closing waits for. */
  private async whileOpen<T>(what: string, use: () => Promise<T>): Promise<T> {
    if (this.closed !== undefined) {
      throw new UsageError({
        what: `${what}() of a loaded model`,
        problem: 'was called after close()',
      });
    }
    this.countOpen++;
    try {
      return await use();
    } finally {
      this.countOpen--;
      if (this.countOpen === 0) this.onIdle?.();
    }
  }
}
