// Measures this machine with real training: short rounds in which every setting has its turn, in
// another order each time. What counts is a setting's time over that of the first setting in the
// same round, so that a machine that is busy for a while is so for both; of these the median. All
// runs are started first; whoever does not have its turn sleeps.

import { InvariantError } from '../base/errors.ts';
import { medianOf } from '../base/median.ts';
import { ownFile } from '../base/ownFile.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { launch } from '../runtime/launch.ts';
import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import type { CalibrationTimes, StepTimes } from './calibrate.ts';
import { type ProbeArgs, type ProbeResult, stragglersOf, type ThreadProbe } from './probe.ts';

export interface MeasureOptions {
  readonly model: LayerSpec;
  readonly data: TrainerOptions['data'];
  readonly optimizer: TrainerOptions['optimizer'];
  /** Samples of each of the two replicas; even, since half of it is measured, too. */
  readonly replicaBatch: number;
  readonly rounds: number;
  /** How long a setting's turn is, about. */
  readonly turnMs: number;
  readonly seed: number;
  /** Numbers that are trained, and the largest activation of a sample. */
  readonly parameters: number;
  readonly activation: number;
}

export interface Measurements {
  readonly calibration: CalibrationTimes;
  readonly steps: StepTimes;
}

type Setting = keyof StepTimes | 'oneLocalHalf' | 'alone' | 'other';
/** What has a turn: a setting, or two of them at once. */
type Turn = Setting | 'together';

/** An end that no run reaches. */
const EPOCHS = 1_000_000;
const WARM_UP_STEPS = 5;

export async function measureMachine(options: MeasureOptions): Promise<Measurements> {
  const trainers = new Map<Setting, Trainer>();
  try {
    for (const [setting, run] of settingsOf(options)) {
      trainers.set(setting, await Trainer.start(run));
    }
    const times = await measureInTurns(trainers, options);
    const base = times.get('oneLocal')!;
    const oneLocal = medianOf(base);
    const typical = (setting: Turn): number =>
      oneLocal * medianOf(times.get(setting)!.map((ms, round) => ms / base[round]!));
    const probe = await probeMachine(options, typical('together'));
    return {
      calibration: {
        oneLocal,
        oneLocalHalf: typical('oneLocalHalf'),
        alone: typical('alone'),
        together: typical('together'),
        probe,
      },
      steps: {
        oneLocal,
        oneSync: typical('oneSync'),
        oneGroup: typical('oneGroup'),
        twoLocal: typical('twoLocal'),
        twoSync: typical('twoSync'),
        twoGroup: typical('twoGroup'),
      },
    };
  } finally {
    for (const trainer of trainers.values()) await trainer.close();
  }
}

function settingsOf(options: MeasureOptions): [Setting, TrainerOptions][] {
  const { model, data, optimizer, replicaBatch, seed } = options;
  const run = (
    to: 'local' | 'sync' | 'group',
    workers: number,
    size: { readonly replicas: number; readonly replicaBatch: number },
  ): TrainerOptions => {
    const common = { model, data, optimizer, seed, dropLast: true, diagnosticsEvery: 0 };
    return { ...common, ...size, workers, norm: { to } };
  };
  const whole = { replicas: 2, replicaBatch };
  const single = { replicas: 1, replicaBatch };
  return [
    ['oneLocal', run('local', 1, whole)],
    ['oneLocalHalf', run('local', 1, { replicas: 2, replicaBatch: replicaBatch / 2 })],
    ['alone', run('local', 1, single)],
    ['other', run('local', 1, single)],
    ['oneSync', run('sync', 1, whole)],
    ['oneGroup', run('group', 1, whole)],
    ['twoLocal', run('local', 2, whole)],
    ['twoSync', run('sync', 2, whole)],
    ['twoGroup', run('group', 2, whole)],
  ];
}

/** Milliseconds a step of each setting, one figure a round. */
async function measureInTurns(
  trainers: ReadonlyMap<Setting, Trainer>,
  { rounds, turnMs }: MeasureOptions,
): Promise<ReadonlyMap<Turn, readonly number[]>> {
  const steps = new Map<Setting, number>();
  for (const [setting, trainer] of trainers) {
    await stepMs(trainer, WARM_UP_STEPS);
    steps.set(setting, Math.max(1, Math.round(turnMs / (await stepMs(trainer, WARM_UP_STEPS)))));
  }
  const turnOf = (setting: Setting): Promise<number> =>
    stepMs(trainers.get(setting)!, steps.get(setting)!);
  const turns: readonly Turn[] = [...trainers.keys(), 'together'];
  const times = new Map<Turn, number[]>(turns.map((turn) => [turn, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < turns.length; i++) {
      const turn = turns[(i + round) % turns.length]!;
      if (turn !== 'together') times.get(turn)!.push(await turnOf(turn));
      else {
        const [first, second] = await Promise.all([turnOf('alone'), turnOf('other')]);
        times.get(turn)!.push((first + second) / 2);
      }
    }
  }
  return times;
}

/** Trains so many steps and returns the milliseconds of each. */
async function stepMs(trainer: Trainer, steps: number): Promise<number> {
  const maxSteps = trainer.step + steps;
  const startMs = performance.now();
  let loss = Number.NaN;
  for await (const progress of trainer.fit({ epochs: EPOCHS, maxSteps })) loss = progress.loss;
  const ms = (performance.now() - startMs) / steps;
  // A run that computes nonsense is not worth timing.
  if (Number.isFinite(loss) && trainer.step === maxSteps) return ms;
  throw new InvariantError('loss of a timed run', loss, `a number behind step ${maxSteps}`);
}

async function probeMachine(options: MeasureOptions, stretchMs: number): Promise<ProbeResult> {
  const { parameters, activation, replicaBatch, rounds, turnMs } = options;
  const activations = activation * replicaBatch;
  const stretches = Math.max(1, Math.round(turnMs / stretchMs));
  const args: ProbeArgs = { parameters, activations, rounds, stretchMs, stretches };
  const module = ownFile('#workers/simulate.js');
  const results = await launch<ThreadProbe>(module, { workers: 2, args });
  const median = (of: (result: ThreadProbe) => number): number => medianOf(results.map(of));
  return {
    barrierUs: median(({ barrierUs }) => barrierUs),
    allReduceUs: median(({ allReduceUs }) => allReduceUs),
    copyUsPerNumber: median(({ copyUsPerNumber }) => copyUsPerNumber),
    stragglers: stragglersOf(results.map(({ stretchesMs }) => stretchesMs)),
  };
}
