// deaths: workers die in all ways, at the start, in training, evaluation, prediction, measuring,
// and in launched jobs. Each time the run soon ends with an error that names the rank, no thread is
// left, and the process continues.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import {
  type Dataset,
  launch,
  nn,
  optim,
  RunError,
  synthetic,
  Trainer,
  type TrainerOptions,
} from '../../src/index.ts';
import { grainRanges } from '../../src/reduce/grains.ts';
import { type Campaign, fail, within } from './campaign.ts';
import type { Dice } from './dice.ts';
import { countThreads, threadsAtMost } from './processState.ts';

const LAYER = new URL('./jobs/dyingLayer.mjs', import.meta.url);
const JOB = new URL('./jobs/dyingJob.mjs', import.meta.url);
const PHASES = ['start', 'fit', 'fit', 'evaluate', 'predict', 'precise', 'launch'] as const;
/** `loop` waits for the timeout, so it is rarer. */
const WAYS = [
  ...['throw', 'throwObject', 'throwNothing', 'recursion', 'exit', 'exit', 'terminate'],
  ...['rejection', 'timer', 'loop'],
] as const;
/** Only if the memory of a thread can be limited. */
const LAUNCH_WAYS = [...WAYS, 'exhaust', 'exhaust'];
const LOOP_TIMEOUT_MS = 1500;
const TIMEOUT_MS = 30_000;
/** From the death to the error, beyond the timeout of the run, on a busy machine. */
const BOUND_MS = 8000;
/** After this many deaths, a normal run checks that the process still works. */
const HEALTHY_EVERY = 15;

interface Death {
  readonly phase: (typeof PHASES)[number];
  readonly way: string;
  readonly workers: number;
  readonly replicas: number;
  readonly replica: number;
  readonly victim: number;
  readonly pass: 'forward' | 'backward';
  readonly step: number;
  readonly calls: number;
  readonly timeoutMs: number;
  readonly delayMs: number;
}

export const deaths: Campaign = {
  name: 'deaths',
  counts: 'deaths',
  promise: 'Wherever and however a worker dies, the run ends with an error that names its rank.',
  caseTimeoutMs: 90_000,
  async open() {
    const data = synthetic({ train: 96, test: 96, shape: [6], classes: 3, seed: 1 });
    const healthyHash = await healthy(data);
    const first = countThreads();
    let slowestMs = 0;
    return {
      async run(dice, index) {
        const death = randomDeath(dice);
        const before = countThreads();
        const { phase, timeoutMs } = death;
        const startMs = performance.now();
        const ending = phase === 'launch' ? dieInLaunch(death) : dieInTrainer(death, data);
        const error = await within(timeoutMs + 4 * BOUND_MS, ending, JSON.stringify(death));
        checkError(error, death);
        const ms = performance.now() - startMs - (death.way === 'loop' ? timeoutMs : 0);
        if (ms > BOUND_MS) fail(`ended only after ${Math.round(ms)} ms`, { ...death });
        slowestMs = Math.max(slowestMs, ms);
        const threads = await threadsAtMost(before);
        if (threads > before) fail(`${threads} threads are left, not ${before}`, { ...death });
        if (index % HEALTHY_EVERY === 0 && (await healthy(data)) !== healthyHash) {
          fail('a healthy run gives other bits after this death', { ...death });
        }
        return 1;
      },
      facts: () => ({
        'ms for the slowest end': Math.round(slowestMs),
        'threads left': countThreads() - first,
      }),
    };
  },
};

function randomDeath(dice: Dice): Death {
  const phase = dice.pick(PHASES);
  const way = dice.pick(phase === 'launch' ? LAUNCH_WAYS : WAYS);
  const workers = dice.between(1, 4);
  const replicas = workers + dice.below(3);
  const replica = dice.below(replicas);
  const victim =
    phase === 'launch'
      ? dice.below(workers)
      : // The dying layer needs whole replicas: each is a grain.
        grainRanges({ count: replicas, shards: replicas }, workers).findIndex(
          ({ lo, hi }) => lo <= replica && replica < hi,
        );
  return {
    ...{ phase, way, workers, replicas, replica, victim },
    pass: phase === 'fit' ? dice.pick(['forward', 'backward'] as const) : 'forward',
    step: dice.below(6),
    calls: dice.below(3),
    timeoutMs: way === 'loop' ? LOOP_TIMEOUT_MS : TIMEOUT_MS,
    delayMs: dice.below(25),
  };
}

function optionsOf(data: Dataset, changes: Partial<TrainerOptions>): TrainerOptions {
  return {
    model: nn.sequential([nn.linear(6, 8), nn.batchNorm(8, { sync: 'all' }), nn.linear(8, 3)]),
    data,
    optimizer: optim.sgd({ lr: 0.05 }),
    globalBatch: 32,
    seed: 1,
    onNotice: () => {},
    ...changes,
  };
}

async function healthy(data: Dataset): Promise<string> {
  const trainer = await Trainer.start(optionsOf(data, { replicas: 4, workers: 2 }));
  try {
    for await (const _ of trainer.fit({ epochs: 2 }));
    await trainer.evaluate();
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

/** The error that ends a run after the death of a worker. */
async function dieInTrainer(death: Death, data: Dataset): Promise<unknown> {
  const { way, phase, pass, replica, step, calls, workers, replicas, timeoutMs } = death;
  const isTerminated = way === 'terminate';
  const options = { way: isTerminated ? 'throw' : way, phase, pass, replica, step, calls };
  const model = nn.sequential([
    nn.linear(6, 8),
    // A worker that is terminated does not die of its layer.
    ...(isTerminated ? [] : [nn.custom(LAYER, options)]),
    nn.batchNorm(8, { sync: 'all' }),
    nn.linear(8, 3),
  ]);
  const threads = watchThreads();
  let trainer: Trainer | undefined;
  try {
    const starting = Trainer.start(
      optionsOf(data, { model, workers, replicas, timeoutMs, startTimeoutMs: timeoutMs }),
    );
    if (isTerminated && phase === 'start') await threads.terminate(death);
    trainer = await starting;
    if (isTerminated) void threads.terminate(death);
    await work(trainer, death, data);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    threads.close();
    await trainer?.close();
  }
}

/** Repeats the phase until a worker is dead: a thread may die only after its call has ended. */
async function work(trainer: Trainer, { phase }: Death, data: Dataset): Promise<void> {
  const untilMs = performance.now() + BOUND_MS;
  let epochs = 0;
  while (performance.now() < untilMs) {
    epochs += 4;
    if (phase === 'fit' || phase === 'start') {
      for await (const _ of trainer.fit({ epochs }));
    } else if (phase === 'evaluate') await trainer.evaluate();
    else if (phase === 'predict') await trainer.predict(data.test.inputs);
    else await trainer.preciseBatchNorm({ batches: 6 });
    await sleep(1);
  }
}

async function dieInLaunch(death: Death): Promise<unknown> {
  const { way, workers, victim, step, timeoutMs } = death;
  const isTerminated = way === 'terminate';
  const threads = watchThreads();
  const args = {
    way: isTerminated ? 'throw' : way,
    victim: isTerminated ? -1 : victim,
    rounds: 3 * step,
    isAsync: way === 'rejection' || way === 'timer',
  };
  try {
    const resourceLimits = way === 'exhaust' ? { maxOldGenerationSizeMb: 24 } : {};
    const jobTimeoutMs = 2 * timeoutMs;
    const running = launch(JOB, { workers, args, timeoutMs, jobTimeoutMs, resourceLimits });
    if (isTerminated) void threads.terminate(death);
    await running;
    return undefined;
  } catch (error) {
    return error;
  } finally {
    threads.close();
  }
}

/** The threads started from now on, in the order of their ranks. */
function watchThreads() {
  const threads: Worker[] = [];
  const listen = (worker: Worker): void => {
    threads.push(worker);
  };
  process.on('worker', listen);
  return {
    /** Terminates the victim some time after it has been started. */
    async terminate({ victim, delayMs, phase }: Death): Promise<void> {
      while (threads.length <= victim) await sleep(1);
      await sleep(phase === 'launch' ? 4 * delayMs : delayMs);
      await threads[victim]!.terminate();
    },
    close(): void {
      process.off('worker', listen);
    },
  };
}

function checkError(error: unknown, death: Death): void {
  const { phase, victim, way } = death;
  const facts = { ...death, error: error instanceof Error ? error.stack : String(error) };
  if (error === undefined) fail('nothing failed although a worker died', facts);
  if (!(error instanceof RunError)) fail('another error than a RunError', facts);
  const { rank, missing } = error.failure;
  // The others name a rank that hangs, since it cannot speak.
  if (way === 'loop' && missing?.includes(victim)) return;
  if (rank === undefined) fail('the error names no rank', facts);
  // At the start all ranks die, unless one is terminated.
  if (rank !== victim && (phase !== 'start' || way === 'terminate')) {
    fail(`the error names rank ${rank}, not ${victim}`, facts);
  }
}
