// The results of one simulation as plain data, and its events: the lines of --json and of the JSONL
// file.

import type { Calibration, Check } from './calibrate.ts';
import type { Measurements } from './measure.ts';
import { totalsOf } from './network.ts';
import type { Numerics } from './numerics.ts';
import type { BatchCost, DevicesPrediction } from './predict.ts';
import type { ReportCheck } from './reports.ts';
import type { Job } from './step.ts';

/** Measurements of this machine. */
export interface MeasuredMachine {
  /** Batch size of each of the two replicas. */
  readonly replicaBatch: number;
  readonly measurements: Measurements;
  readonly calibration: Calibration;
  readonly checks: readonly Check[];
}

export interface Simulation {
  readonly job: Job;
  /** The fraction that SyncBN may add to a step for a break-even. */
  readonly share: number;
  readonly predictions: readonly DevicesPrediction[];
  /** What SyncBN adds, by per-device batch. */
  readonly batchCosts: readonly BatchCost[];
  readonly machine: MeasuredMachine | undefined;
  readonly numerics: Numerics | undefined;
  readonly reports: readonly ReportCheck[] | undefined;
}

export type SimulationEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** A simulation as events, in order. `kind` says whether each is simulated or real. */
export function eventsOf(simulation: Simulation): readonly SimulationEvent[] {
  const { job, share, predictions, batchCosts, machine, numerics, reports } = simulation;
  const { network, ...settings } = job;
  const { name, inputShape } = network;
  const net = { name, inputShape, ...totalsOf(network) };
  return [
    { event: 'job', network: net, ...settings, share },
    ...predictions.map(({ steps, ...rest }) => ({
      event: 'prediction',
      kind: 'simulated',
      ...rest,
      steps: Object.values(steps),
    })),
    ...batchCosts.map((cost) => ({ event: 'batchCost', kind: 'simulated', ...cost })),
    ...(machine === undefined
      ? []
      : [
          { event: 'measurements', kind: 'real', ...machine.measurements },
          ...machine.checks.map((check) => ({ event: 'check', ...check })),
        ]),
    ...(numerics === undefined ? [] : [{ event: 'numerics', kind: 'real', ...numerics }]),
    ...(reports ?? []).map((report) => ({ event: 'report', ...report })),
  ];
}
