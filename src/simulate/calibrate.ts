// Fits a device and a cluster of the model to measurements of this machine, and compares the
// model's predictions with measurements that were not used. Used: steps with local norms on ONE
// worker at two batch sizes, how much two such runs slow each other down, how long two threads with
// equal work wait for the slower one, and microbenchmarks of barrier, all-reduce and copy.
// Predicted: everything on two workers, and the other norms.

import { InvariantError, RunError } from '../base/errors.ts';
import type { Cluster } from './collectives.ts';
import type { Device } from './devices.ts';
import { LINKS, type Link } from './links.ts';
import type { Network } from './network.ts';
import type { ProbeResult } from './probe.ts';
import { DEFAULT_BUCKET_BYTES } from './reports.ts';
import { type Job, predictStep } from './step.ts';
import { type NormName, type StepTasks, stepTasks } from './tasks.ts';

/** Runs of two replicas, by workers and norm; median milliseconds per step. */
export interface StepTimes {
  readonly oneLocal: number;
  readonly oneSync: number;
  readonly oneGroup: number;
  readonly twoLocal: number;
  readonly twoSync: number;
  readonly twoGroup: number;
}

/** The measurements that a calibration may use. */
export interface CalibrationTimes {
  /** One worker, two replicas, local norms, with the whole and with half the batch. */
  readonly oneLocal: number;
  readonly oneLocalHalf: number;
  /** One worker, one replica, local norms: alone, and during another such run. */
  readonly alone: number;
  readonly together: number;
  readonly probe: ProbeResult;
}

export interface Calibration {
  readonly device: Device;
  readonly cluster: Cluster;
}

/** A prediction next to its measurement. */
export interface Check {
  readonly what: string;
  readonly predicted: number;
  readonly measured: number;
  readonly unit: 'ms' | 'times';
  /** Predicted over measured, less 1. */
  readonly error: number;
}

const WORKERS = 2;
/** Moments are exchanged between threads in float64. */
const STATISTIC_BYTES = 8;
/** Activations of small batches stay in caches, which are faster than a copy of a large array
 * shows. So passes over them are given at most this fraction of the measured time. */
const MOST_MEMORY_SHARE = 0.5;

/** A device and a cluster that represent this machine. `replicaBatch` is the batch of each of the
 * two replicas in {@link CalibrationTimes.oneLocal}. Throws a {@link RunError} if half a batch took
 * as long as the whole, so that no rate can be computed. */
export function calibrate(
  network: Network,
  replicaBatch: number,
  times: CalibrationTimes,
): Calibration {
  const { oneLocal, oneLocalHalf, alone, together, probe } = times;
  if (oneLocalHalf >= oneLocal) {
    throw new RunError({
      reason:
        `a step with half the batch took ${oneLocalHalf.toPrecision(3)} ms, ` +
        `with the whole ${oneLocal.toPrecision(3)}, so no rate can be computed.`,
      hint: 'more --rounds, a larger --replica-batch, or an otherwise idle machine',
    });
  }
  // A straight line through both batches; noise must not make the fixed part negative.
  const samples = WORKERS * replicaBatch;
  const slopeMs = Math.min((oneLocal - oneLocalHalf) / (samples / 2), oneLocal / samples);
  const fixedUs = Math.max(0, oneLocal - slopeMs * samples) * 1000;
  const workUs = oneLocal * 1000 - fixedUs;
  const copyGigabytesPerSecond = (2 * 4) / (probe.copyUsPerNumber * 1000);
  const base: Device = {
    name: 'measured',
    teraflops: 1,
    flopsShare: 1,
    gigabytesPerSecond: copyGigabytesPerSecond,
    memoryShare: 1,
    bytesPerElement: 4,
    bytesPerStatistic: STATISTIC_BYTES,
    callUs: 0,
    isAsync: false,
    exchangeCalls: { forward: 0, backward: 0 },
    secondPassCalls: 0,
    blocksHost: false,
    overlapsGradients: false,
    groupNormCopies: false,
    contention: Math.max(1, together / alone) * probe.stragglers,
    source: 'measured on this machine',
  };
  const tasksOf = (device: Device): StepTasks =>
    stepTasks(network, device, { norm: 'BN', replicaBatch: samples });
  const device = { ...fitRates(base, workUs, (tried) => workOf(tasksOf(tried))) };
  return {
    device: { ...device, callUs: fixedUs / countCalls(tasksOf(device)) },
    cluster: clusterOf(network, probe),
  };
}

function allTasks({ forward, backward, update }: StepTasks) {
  return [...forward, ...backward, update];
}

function workOf(tasks: StepTasks): number {
  return allTasks(tasks).reduce((sum, { deviceUs }) => sum + deviceUs, 0);
}

function countCalls(tasks: StepTasks): number {
  return allTasks(tasks).reduce((sum, { calls }) => sum + calls, 0);
}

/** Finds the arithmetic rate at which the tasks take the measured time. If passes over memory alone
 * would take too much of it, raises the bandwidth first. */
function fitRates(base: Device, workUs: number, workWith: (device: Device) => number): Device {
  const memoryUs = workWith({ ...base, teraflops: Number.MAX_VALUE });
  const tooSlow = Math.max(1, memoryUs / (workUs * MOST_MEMORY_SHARE));
  const device = { ...base, gigabytesPerSecond: base.gigabytesPerSecond * tooSlow };
  let low = 1e-6;
  let high = 1e6;
  // Bisection on a scale of 12 decades: 60 halvings are exact.
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(low * high);
    if (workWith({ ...device, teraflops: middle }) > workUs) low = middle;
    else high = middle;
  }
  const fitted = { ...device, teraflops: high };
  const found = workWith(fitted);
  if (Math.abs(found / workUs - 1) > 1e-6) {
    throw new InvariantError('work of a calibrated step, in microseconds', found, workUs);
  }
  return fitted;
}

/** Two workers in one memory. An all-reduce of two is two barriers and one pass over the bytes. */
function clusterOf(network: Network, probe: ProbeResult): Cluster {
  const { barrierUs, allReduceUs } = probe;
  const parameters = network.operations.reduce((sum, operation) => sum + operation.parameters, 0);
  // If the array is so small that barriers dominate, its bytes cost almost nothing.
  const bytesUs = Math.max(allReduceUs - 2 * barrierUs, allReduceUs / 100);
  const intra: Link = {
    name: 'shared memory',
    kind: 'memory',
    latencyUs: barrierUs,
    gigabytesPerSecond: (parameters * 4) / bytesUs / 1000,
    share: 1,
    source: 'measured on this machine',
  };
  return { devicesPerNode: WORKERS, intra, inter: LINKS['ethernet-10g'], cards: 1 };
}

/** The job of the calibrated machine. */
export function calibratedJob(
  network: Network,
  replicaBatch: number,
  { device, cluster }: Calibration,
): Job {
  return {
    network,
    device,
    cluster,
    replicaBatch,
    algorithm: 'auto',
    statistics: 'all-gather',
    groupSize: null,
    bucketBytes: DEFAULT_BUCKET_BYTES,
  };
}

/** A calibration's predictions next to the measurements. */
export function checkCalibration(
  network: Network,
  replicaBatch: number,
  calibration: Calibration,
  measured: StepTimes,
): readonly Check[] {
  const job = calibratedJob(network, replicaBatch, calibration);
  // One worker has the samples of both replicas and no other worker to wait for.
  const one = (norm: NormName): number =>
    predictStep({ ...job, replicaBatch: WORKERS * replicaBatch }, norm, 1).ms;
  const two = (norm: NormName): number => predictStep(job, norm, WORKERS).ms;
  const check = (
    what: string,
    predicted: number,
    found: number,
    unit: Check['unit'] = 'times',
  ): Check => ({ what, predicted, measured: found, unit, error: predicted / found - 1 });
  const { oneLocal, oneSync, oneGroup, twoLocal, twoSync, twoGroup } = measured;
  return [
    check('1 worker, sync', one('SyncBN'), oneSync, 'ms'),
    check('1 worker, group', one('GroupNorm'), oneGroup, 'ms'),
    check('2 workers, local', two('BN'), twoLocal, 'ms'),
    check('2 workers, sync', two('SyncBN'), twoSync, 'ms'),
    check('2 workers, group', two('GroupNorm'), twoGroup, 'ms'),
    check('sync / local, 1 worker', one('SyncBN') / one('BN'), oneSync / oneLocal),
    check('sync / local, 2 workers', two('SyncBN') / two('BN'), twoSync / twoLocal),
    check('2 workers / 1, local', two('BN') / one('BN'), twoLocal / oneLocal),
    check('2 workers / 1, sync', two('SyncBN') / one('SyncBN'), twoSync / oneSync),
  ];
}

/** A device whose local step takes as long as the caller measured. Its calls cost the same as
 * before, so a shorter step than that is impossible: undefined then. */
export function scaleToStep(
  device: Device,
  ms: number,
  stepMs: (device: Device) => number,
): Device | undefined {
  const scaled = (speed: number): Device => ({
    ...device,
    teraflops: device.teraflops * speed,
    gigabytesPerSecond: device.gigabytesPerSecond * speed,
  });
  let slow = 1e-6;
  let fast = 1e6;
  if (stepMs(scaled(fast)) > ms) return undefined;
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(slow * fast);
    if (stepMs(scaled(middle)) > ms) slow = middle;
    else fast = middle;
  }
  return scaled(fast);
}
