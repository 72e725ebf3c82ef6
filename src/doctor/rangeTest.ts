// The learning-rate range test (Smith 2017, arXiv:1506.01186): one short training with a rate that
// rises by the same factor in each step, until the loss blows up. rangeAdvice.ts reads its curve.

import { cleaningUp } from '../base/cleanup.ts';
import { checkInteger, UsageError } from '../base/errors.ts';
import { exponential } from '../optim/decays.ts';
import type { Progress } from '../runtime/progress.ts';
import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import { adviseRate, hasBlownUp, type RangeAdvice, type RangePoint } from './rangeAdvice.ts';

export const DEFAULT_RANGE_STEPS = 100;
export const DEFAULT_RANGE = { from: 1e-6, to: 10 } as const;
export const DEFAULT_SMOOTHING = 0.9;
/** Fewer points do not show a slope. */
const LEAST_STEPS = 10;

export interface RangeTestOptions {
  /** Data, model, optimizer, replicas and other options; the optimizer's rate and the schedule are
   * replaced. */
  readonly trainer: TrainerOptions;
  /** Optimizer steps, at least 10; default 100. */
  readonly steps?: number;
  /** The rates of the first and last steps; default 1e-6 and 10. */
  readonly from?: number;
  readonly to?: number;
  /** Weight of the previous average in the smoothed loss, in [0, 1); default 0.9. */
  readonly smoothing?: number;
  /** Called with each step. */
  readonly onStep?: (point: RangePoint) => void;
}

export interface RangeTest {
  readonly points: readonly RangePoint[];
  readonly askedSteps: number;
  readonly advice: RangeAdvice;
}

/** Runs the test. Throws a {@link UsageError} if steps, rates or smoothing are out of range, and
 * for options that `Trainer.start` refuses. */
export async function rangeTest(options: RangeTestOptions): Promise<RangeTest> {
  const askedSteps = checkInteger('steps', options.steps ?? DEFAULT_RANGE_STEPS, LEAST_STEPS);
  const { from = DEFAULT_RANGE.from, to = DEFAULT_RANGE.to } = options;
  if (!(from > 0 && from < to && to < Infinity)) {
    throw new UsageError({
      what: 'learning rates of a range test',
      given: { from, to },
      allowed: 'two finite numbers above 0, the first one smaller',
    });
  }
  const smoothing = options.smoothing ?? DEFAULT_SMOOTHING;
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new UsageError({
      what: 'smoothing of a range test',
      given: smoothing,
      allowed: 'a number from 0 to below 1',
    });
  }
  const gamma = (to / from) ** (1 / (askedSteps - 1));
  const { lrScaling: _lrScaling, ...rest } = options.trainer;
  const trainer = await Trainer.start({
    ...rest,
    optimizer: { ...rest.optimizer, lr: from },
    schedule: exponential({ gamma }),
    // The test looks for the blow-up.
    onNonFinite: 'continue',
    diagnosticsEvery: 0,
  });
  const points = await cleaningUp(
    () => pointsOf(trainer, { askedSteps, smoothing, onStep: options.onStep }),
    () => trainer.close(),
  );
  return { points, askedSteps, advice: adviseRate(points) };
}

async function pointsOf(
  trainer: Trainer,
  asked: {
    readonly askedSteps: number;
    readonly smoothing: number;
    readonly onStep: RangeTestOptions['onStep'];
  },
): Promise<readonly RangePoint[]> {
  const { askedSteps, smoothing } = asked;
  const epochs = Math.ceil(askedSteps / trainer.stepsPerEpoch);
  const points: RangePoint[] = [];
  const lossOf = stepLosses();
  let average = 0;
  let weight = 0;
  for (let step = 1; step <= askedSteps && !hasBlownUp(points); step++) {
    for await (const progress of trainer.fit({ epochs, maxSteps: step })) {
      const loss = lossOf(progress);
      average = smoothing * average + (1 - smoothing) * loss;
      weight = smoothing * weight + (1 - smoothing);
      const smoothedLoss = average / weight;
      const point = { step, learningRate: progress.learningRate, loss, smoothedLoss };
      points.push(point);
      asked.onStep?.(point);
    }
  }
  return points;
}

/** Returns a function that recovers each step's loss from the trainer's running mean over the
 * epoch. */
function stepLosses(): (progress: Progress) => number {
  let sum = 0;
  let samples = 0;
  return (progress) => {
    const total = progress.loss * progress.samples;
    const loss = (total - sum) / (progress.samples - samples);
    const isOver = progress.kind === 'epoch';
    sum = isOver ? 0 : total;
    samples = isOver ? 0 : progress.samples;
    return loss;
  };
}
