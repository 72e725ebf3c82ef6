// `syncbn simulate`: what a job on many devices would do. A model predicts times. Numerics, if
// requested, and measurements of this machine are real, and the output says which is which.

import { availableParallelism } from 'node:os';
import { UsageError } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';
import { calibrate, calibratedJob, checkCalibration } from '../../simulate/calibrate.ts';
import { filesOf } from '../../simulate/document.ts';
import { measureMachine } from '../../simulate/measure.ts';
import { totalsOf } from '../../simulate/network.ts';
import { checkNumerics, type Numerics, trainReplicas } from '../../simulate/numerics.ts';
import { costsByBatch, predictAll } from '../../simulate/predict.ts';
import { checkReports, presetJob } from '../../simulate/reports.ts';
import { eventsOf, type MeasuredMachine, type Simulation } from '../../simulate/simulation.ts';
import { WARM_UP_STEPS } from '../../simulate/turns.ts';
import { prepareFolder, typedCommand } from '../output/outFolder.ts';
import type { Flags } from '../settings/flags.ts';
import { checkHostFlags } from '../settings/hostsSettings.ts';
import { refuseWithout } from '../settings/kindFlags.ts';
import {
  adjustJob,
  deviceFrom,
  devicesFrom,
  MEASURED_SETTINGS,
  measuredSamples,
  netFrom,
  replicaBatchFrom,
  roundsFrom,
  type SimulatedNet,
  seedFrom,
  shareFrom,
  TURN_MS,
  trainingOf,
} from '../settings/simulateSettings.ts';
import { endSimulation } from './simulateEnd.ts';
import { runSimulateHosts } from './simulateHosts.ts';
import { showSimulation } from './simulateTables.ts';

const DEFAULT_REPLICAS = 8;
/** The curve over batches is for this many devices, or the most that were requested. */
const CURVE_DEVICES = 8;

export async function runSimulate(flags: Flags): Promise<number> {
  checkHostFlags(flags);
  if (flags.has('hosts')) return runSimulateHosts(flags);
  const out = flags.text('out');
  const deviceName = deviceFrom(flags);
  const net = await netFrom(flags, deviceName);
  const counts = devicesFrom(flags);
  const share = shareFrom(flags);
  const replicaBatch = replicaBatchFrom(flags);
  const isMeasured = deviceName === 'measured' || flags.isSet('measure');
  checkTogether(flags, isMeasured);
  const steps = flags.integer('train-steps', 1);
  const replicas = flags.integer('replicas', 1) ?? DEFAULT_REPLICAS;
  if (steps !== undefined) checkNumerics(net.network, { replicas, replicaBatch, steps, norms: 2 });
  if (out !== undefined) await prepareFolder(out);

  const machine = isMeasured ? await measure(flags, net, replicaBatch) : undefined;
  const job = adjustJob(
    flags,
    deviceName === 'measured'
      ? calibratedJob(net.network, replicaBatch, machine!.calibration)
      : presetJob(deviceName, net.network, replicaBatch),
  );
  const simulation: Simulation = {
    job,
    share,
    predictions: predictAll(job, counts, share),
    batchCosts: costsByBatch(job, Math.min(CURVE_DEVICES, counts[counts.length - 1]!)),
    machine,
    numerics:
      steps === undefined
        ? undefined
        : await trainForReal(flags, net, { replicas, replicaBatch, steps }),
    reports: flags.isSet('reports') ? checkReports() : undefined,
  };
  await endSimulation(flags, {
    events: () => eventsOf(simulation),
    show: () => showSimulation(simulation),
    files: () => filesOf(simulation, typedCommand()),
  });
  return 0;
}

/** Flags that only have a meaning together with another one. */
function checkTogether(flags: Flags, isMeasured: boolean): void {
  const pairs: readonly (readonly [flag: string, needed: string, isThere: boolean])[] = [
    ['rounds', '--measure', isMeasured],
    ['replicas', '--train-steps', flags.has('train-steps')],
  ];
  for (const [flag, needed, isThere] of pairs) {
    refuseWithout(flags, flag, needed, isThere);
  }
}

async function measure(
  flags: Flags,
  net: SimulatedNet,
  replicaBatch: number,
): Promise<MeasuredMachine> {
  const rounds = roundsFrom(flags);
  const { network } = net;
  if (replicaBatch % 2 !== 0) {
    throw new UsageError({
      what: '--replica-batch of a measurement',
      given: replicaBatch,
      allowed: 'an even number, since half of it is measured, too',
    });
  }
  if (availableParallelism() < 2) {
    throw new UsageError({
      what: '--measure',
      problem: 'requires two cores, for runs on two workers; this machine has one',
    });
  }
  const steps = rounds + MEASURED_SETTINGS * WARM_UP_STEPS;
  checkNumerics(network, { replicas: 2, replicaBatch, steps, norms: 2 });
  const seed = seedFrom(flags);
  const activation = Math.max(...network.operations.map(({ elementsForward }) => elementsForward));
  const measurements = await measureMachine({
    ...trainingOf(net, measuredSamples(2 * replicaBatch), seed),
    replicaBatch,
    rounds,
    turnMs: TURN_MS,
    seed,
    parameters: totalsOf(network).parameters,
    activation: Math.max(activation, sizeOf(network.inputShape)),
  });
  const calibration = calibrate(network, replicaBatch, measurements.calibration);
  const checks = checkCalibration(network, replicaBatch, calibration, measurements.steps);
  return { replicaBatch, measurements, calibration, checks };
}

function trainForReal(
  flags: Flags,
  net: SimulatedNet,
  size: { readonly replicas: number; readonly replicaBatch: number; readonly steps: number },
): Promise<Numerics> {
  const seed = seedFrom(flags);
  const samples = size.replicas * size.replicaBatch * size.steps;
  return trainReplicas({ ...trainingOf(net, samples, seed), ...size, seed });
}
