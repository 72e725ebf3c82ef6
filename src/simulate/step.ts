// The time of a step: an event simulation with three clocks, for the host that issues calls, the
// device that runs them, and the network that carries one message at a time. Statistics are waited
// for. Gradient buckets are sent while backward continues, and the update waits for the last. A
// job's communicator is one queue, so an exchange of statistics also waits for a bucket that is
// being sent, as on one NCCL communicator.

import { type Algorithm, type Cluster, type CollectiveKind, collectiveUs } from './collectives.ts';
import type { Device } from './devices.ts';
import type { Network } from './network.ts';
import {
  type NormName,
  type StatisticsKind,
  type StepTasks,
  stepTasks,
  type Task,
} from './tasks.ts';

/** What to predict. */
export interface Job {
  readonly network: Network;
  readonly device: Device;
  readonly cluster: Cluster;
  /** Samples per device in a step. */
  readonly replicaBatch: number;
  readonly algorithm: Algorithm;
  readonly statistics: StatisticsKind;
  /** Devices that share statistics; null for all. */
  readonly groupSize: number | null;
  /** Bytes of gradients sent together; DistributedDataParallel's default is 25 MiB. */
  readonly bucketBytes: number;
}

/** A predicted step. The three parts add up to `ms`. */
export interface StepPrediction {
  readonly norm: NormName;
  readonly devices: number;
  readonly ms: number;
  /** Time without any messages; for SyncBN, with BN in its place. */
  readonly computeMs: number;
  /** Time that exchanging statistics adds to that. */
  readonly statisticsMs: number;
  /** Time that sending gradients adds to both: what backward does not hide. */
  readonly gradientsMs: number;
  /** Time of the forward pass, with its exchanges. */
  readonly forwardMs: number;
  readonly imagesPerSecond: number;
}

/** Consecutive steps to simulate. The host may run ahead from one into the next, so only the last
 * one, which has a history, counts. */
const STEPS = 3;

/** Predicts a step of one of `devices` devices. */
export function predictStep(job: Job, norm: NormName, devices: number): StepPrediction {
  const group = Math.min(job.groupSize ?? devices, devices);
  // PyTorch and this library run the local norm if there is no other device to synchronize with.
  const isSync = norm === 'SyncBN' && group > 1;
  const local = norm === 'SyncBN' ? 'BN' : norm;
  const run = (ran: NormName, sendsGradients: boolean): Times => {
    const { network, device, replicaBatch } = job;
    const tasks = stepTasks(network, device, { norm: ran, replicaBatch });
    return simulate(tasks, job, { devices, group, sendsGradients });
  };
  const compute = run(local, false);
  const withStatistics = isSync ? run('SyncBN', false) : compute;
  const whole = devices === 1 ? withStatistics : run(isSync ? 'SyncBN' : local, true);
  return {
    norm,
    devices,
    ms: whole.stepUs / 1000,
    computeMs: compute.stepUs / 1000,
    statisticsMs: (withStatistics.stepUs - compute.stepUs) / 1000,
    gradientsMs: (whole.stepUs - withStatistics.stepUs) / 1000,
    forwardMs: whole.forwardUs / 1000,
    imagesPerSecond: (devices * job.replicaBatch * 1e6) / whole.stepUs,
  };
}

/** Milliseconds of a forward pass if only forward passes run, back to back. */
export function predictForwardMs(job: Job, norm: NormName, devices: number): number {
  const group = Math.min(job.groupSize ?? devices, devices);
  const ran = norm === 'SyncBN' && group === 1 ? 'BN' : norm;
  const { network, device, replicaBatch } = job;
  const { forward } = stepTasks(network, device, { norm: ran, replicaBatch });
  const update: Task = { calls: 0, deviceUs: 0, statistics: 0, gradientBytes: 0 };
  const tasks = { forward, backward: [], update };
  return simulate(tasks, job, { devices, group, sendsGradients: false }).stepUs / 1000;
}

interface Times {
  readonly stepUs: number;
  readonly forwardUs: number;
}

interface Sides {
  readonly devices: number;
  readonly group: number;
  readonly sendsGradients: boolean;
}

/** When each of the three is free again. */
interface Clocks {
  host: number;
  device: number;
  network: number;
}

function simulate(tasks: StepTasks, job: Job, sides: Sides): Times {
  const clocks: Clocks = { host: 0, device: 0, network: 0 };
  const { devices, sendsGradients } = sides;
  const { overlapsGradients } = job.device;
  const bucketBytes = overlapsGradients ? job.bucketBytes : Number.POSITIVE_INFINITY;
  let times: Times = { stepUs: 0, forwardUs: 0 };
  for (let step = 0; step < STEPS; step++) {
    const startUs = clocks.device;
    for (const task of tasks.forward) runTask(task, 'forward', clocks, { job, sides });
    const forwardUs = clocks.device - startUs;
    let waitingBytes = 0;
    const sendBucket = (): void => {
      if (!sendsGradients || waitingBytes === 0) return;
      const call = { kind: 'all-reduce', bytes: waitingBytes } as const;
      const us = collectiveUs(call, devices, job.cluster, job.algorithm);
      clocks.network = Math.max(clocks.network, clocks.device) + us;
      waitingBytes = 0;
    };
    for (const task of tasks.backward) {
      runTask(task, 'backward', clocks, { job, sides });
      waitingBytes += task.gradientBytes;
      if (waitingBytes >= bucketBytes) sendBucket();
    }
    sendBucket();
    clocks.device = Math.max(clocks.device, clocks.network);
    runTask(tasks.update, 'backward', clocks, { job, sides });
    times = { stepUs: clocks.device - startUs, forwardUs };
  }
  return times;
}

function runTask(
  task: Task,
  pass: 'forward' | 'backward',
  clocks: Clocks,
  { job, sides }: { readonly job: Job; readonly sides: Sides },
): void {
  const { device } = job;
  const issueUs = task.calls * device.callUs;
  if (device.isAsync) {
    clocks.host += issueUs;
    clocks.device = Math.max(clocks.device, clocks.host);
  } else clocks.device += issueUs;
  const isShared = Math.min(sides.devices, job.cluster.devicesPerNode) > 1;
  clocks.device += task.deviceUs * (isShared ? device.contention : 1);
  if (task.statistics === 0) return;
  const bytes = task.statistics * device.bytesPerStatistic;
  const call = { kind: exchangeKind(job, pass), bytes };
  const us = collectiveUs(call, sides.group, job.cluster, job.algorithm);
  clocks.device = Math.max(clocks.device, clocks.network) + us;
  clocks.network = clocks.device;
  if (device.blocksHost && pass === 'forward') clocks.host = clocks.device;
}

/** In shared memory, every device reads all statistics after a barrier, in both passes. */
function exchangeKind(job: Job, pass: 'forward' | 'backward'): CollectiveKind {
  if (job.cluster.intra.kind === 'memory') return 'all-gather';
  return pass === 'forward' ? job.statistics : 'all-reduce';
}
