// Measures this machine: alternating runs of real training (turns.ts), and a probe of how long
// threads wait and copy.

import { medianOf } from '../base/median.ts';
import { ownFile } from '../base/ownFile.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { launch } from '../runtime/launch.ts';
import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import type { CalibrationTimes, StepTimes } from './calibrate.ts';
import { type ProbeArgs, type ProbeResult, stragglersOf, type ThreadProbe } from './probe.ts';
import { stepMs, stepsOfTurn, timeInTurns, typicalOf } from './turns.ts';

export interface MeasureOptions {
  readonly model: LayerSpec;
  readonly data: TrainerOptions['data'];
  readonly optimizer: TrainerOptions['optimizer'];
  /** Samples of each of the two replicas; even, since half of it is measured, too. */
  readonly replicaBatch: number;
  readonly rounds: number;
  /** Approximate length of a setting's turn. */
  readonly turnMs: number;
  readonly seed: number;
  /** Number of trained values, and the largest activation of a sample. */
  readonly parameters: number;
  readonly activation: number;
}

export interface Measurements {
  readonly calibration: CalibrationTimes;
  readonly steps: StepTimes;
}

type Setting = keyof StepTimes | 'oneLocalHalf' | 'alone' | 'other';
/** What gets a turn: a setting, or two of them simultaneously. */
type Turn = Setting | 'together';

export async function measureMachine(options: MeasureOptions): Promise<Measurements> {
  const trainers = new Map<Setting, Trainer>();
  try {
    for (const [setting, run] of settingsOf(options)) {
      trainers.set(setting, await Trainer.start(run));
    }
    const times = await timeInTurns(await turnsOf(trainers, options.turnMs), options.rounds);
    const typical = typicalOf(times, 'oneLocal');
    const oneLocal = typical('oneLocal');
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

/** The turns of all settings, warmed up, and that of two simultaneous ones. */
async function turnsOf(
  trainers: ReadonlyMap<Setting, Trainer>,
  turnMs: number,
): Promise<ReadonlyMap<Turn, () => Promise<number>>> {
  const turns = new Map<Turn, () => Promise<number>>();
  for (const [setting, trainer] of trainers) {
    const steps = await stepsOfTurn(trainer, turnMs);
    turns.set(setting, () => stepMs(trainer, steps));
  }
  turns.set('together', async () => {
    const both = [turns.get('alone')!(), turns.get('other')!()];
    const [first, second] = await Promise.all(both);
    return (first! + second!) / 2;
  });
  return turns;
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
