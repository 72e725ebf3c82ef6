// Measures the step times of several nets alternately in one process, in short windows of steps, so
// that a temporary slowdown of the machine affects all of them. The result is the median of the
// windows.

import { cleaningUp } from '../../base/cleanup.ts';
import { medianOf } from '../../base/median.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import { Trainer } from '../../runtime/trainer.ts';
import type { RunContext } from '../engine/experiment.ts';
import { someTrain } from '../engine/samples.ts';

/** Small enough that with any norm all numbers stay normal floats; others are slow. */
const TIMED_RATE = 1e-4;

export interface StepTimesRun {
  readonly models: readonly LayerSpec[];
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly windows: number;
  /** Steps per window. */
  readonly steps: number;
  readonly seed: number;
}

/** Measures each model's milliseconds per step. Rejects with the signal's reason if it is
 * aborted. */
export async function timeSteps(
  run: StepTimesRun,
  context: RunContext,
): Promise<readonly number[]> {
  const { models, windows, steps } = run;
  const trainers: Trainer[] = [];
  const measure = async (): Promise<readonly number[]> => {
    for (const model of models) trainers.push(await startTrainer(run, model, context));
    const times: number[][] = models.map(() => []);
    // The first round is a warm-up: it compiles code and touches memory for the first time.
    for (let window = 0; window <= windows; window++) {
      for (const [index, trainer] of trainers.entries()) {
        context.signal.throwIfAborted();
        const ms = await timeWindow(trainer, steps);
        if (window > 0) times[index]!.push(ms / steps);
      }
      context.progress((window + 1) / (windows + 1));
    }
    return times.map(medianOf);
  };
  const closeAll = async (): Promise<void> => {
    const closes = trainers.map((trainer) => () => trainer.close());
    await cleaningUp(async () => {}, ...closes);
  };
  return cleaningUp(measure, closeAll);
}

function startTrainer(
  run: StepTimesRun,
  model: LayerSpec,
  { dataset, workers }: RunContext,
): Promise<Trainer> {
  const { replicas, replicaBatch, steps, seed } = run;
  const { inputs, targets } = dataset.test;
  const test = { count: 0, inputs: inputs.subarray(0, 0), targets: targets.subarray(0, 0) };
  const count = Math.min(dataset.train.count, steps * replicas * replicaBatch);
  return Trainer.start({
    model,
    data: someTrain({ ...dataset, test }, count),
    optimizer: sgd({ lr: TIMED_RATE }),
    replicas,
    replicaBatch,
    ...(workers !== undefined && { workers: Math.min(workers, replicas) }),
    dropLast: true,
    seed,
    diagnosticsEvery: 0,
    onNotice: () => {},
  });
}

async function timeWindow(trainer: Trainer, steps: number): Promise<number> {
  const to = trainer.step + steps;
  const epochs = Math.ceil(to / trainer.stepsPerEpoch);
  const startMs = performance.now();
  for await (const _ of trainer.fit({ epochs, maxSteps: to }));
  return performance.now() - startMs;
}
