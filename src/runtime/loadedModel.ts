// What loadModel returns: a queue of predictions, and evaluations that run beside it.

import { setImmediate } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { hashWeights, type StateTensor } from '../checkpoint/state.ts';
import type { Dataset } from '../data/dataset.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { storedInputs } from '../data/shift.ts';
import { type LayerSpec, MAIN_OUTPUT } from '../nn/specs/spec.ts';
import type { MetricName } from '../observe/metric.ts';
import type { RunConfig } from '../plan/config.ts';
import { checkInference } from '../plan/feasible.ts';
import { parseLoadOptions } from './door.ts';
import { evaluateSamples } from './evaluateSamples.ts';
import type { Evaluation } from './evaluation.ts';
import { type InferenceTeam, inferenceConfig, startInference } from './inferenceTeam.ts';
import type { EvaluateDataOptions, LoadedModel, LoadOptions } from './loadModel.ts';
import {
  countInputs,
  type Inputs,
  type NamedOutputs,
  namedOutputs,
  Predictions,
} from './predict.ts';
import { readModel, type SavedModel } from './readModel.ts';

/** Loads the model from a checkpoint. */
export async function loadFrom(
  source: string | Checkpoint,
  given: LoadOptions,
): Promise<LoadedModel> {
  const { threads = 0, ...options } = parseLoadOptions(given);
  return openModel(await readModel(source, options), { ...options, threads });
}

/** Starts a model; with 0 threads, on the calling one. */
export async function openModel(
  { config: trained, fill, data, step }: SavedModel,
  { threads, timeoutMs }: { readonly threads: number; readonly timeoutMs?: number | undefined },
): Promise<Loaded> {
  const config = inferenceConfig(trained, { workers: Math.max(1, threads), timeoutMs });
  const place = { isOwnThread: threads === 0 };
  const inference = await startInference({ config, fill, ...place });
  return new Loaded(inference, { data, step, threads, ...place });
}

interface LoadedFrom {
  readonly data: DatasetDescription;
  readonly step: number;
  readonly threads: number;
  readonly isOwnThread: boolean;
}

/** A loaded model. */
export class Loaded implements LoadedModel {
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
      pause: () => setImmediate(),
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
      countInputs('predict', this.config, inputs);
      return this.outputs(storedInputs(this.config.data, inputs));
    });
  }

  /** Outputs for inputs in the form that an arena holds. */
  async outputs(inputs: Uint8Array | Float32Array): Promise<NamedOutputs> {
    const { config, inference } = this;
    const count = inputs.length / sizeOf(config.data.inputShape);
    checkInference('predict', inference.team.plan, count);
    return namedOutputs(config, await this.predictions.add(inputs, count));
  }

  evaluate<Name extends MetricName = never>(
    data: Dataset,
    options: EvaluateDataOptions<Name> = {},
  ): Promise<Evaluation<Name>> {
    const { config, isOwnThread } = this;
    const { tensors } = this.inference;
    const fill = (copies: readonly StateTensor[]): void => {
      for (const [i, { values }] of copies.entries()) values.set(tensors[i]!.values);
    };
    return this.whileOpen('evaluate', () =>
      evaluateSamples({ config, fill, isOwnThread }, data, options),
    );
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

  /** Runs a call, which close() then waits for. */
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
