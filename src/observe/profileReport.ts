// Turns what the workers have recorded (profile.ts) into a profile: milliseconds per step, by
// phase, by layer and by worker. Waiting is the time that a worker spends in synchronizations
// because another one arrives later. It is never part of the work.

import { viewOf } from '../memory/arena.ts';
import type { RunPlan } from '../plan/plan.ts';
import { layerNames } from '../plan/plan.ts';
import {
  PHASES,
  type ProfilePhase,
  type ProfilePlan,
  readProfile,
  slotsOf,
  type WorkerRecord,
} from '../plan/profilePlan.ts';

/** When this process began, on the clock that all threads share. */
const PROCESS_START_MS = Number(process.hrtime.bigint()) / 1e6 - 1000 * process.uptime();

/** Milliseconds per step, as means over the workers. */
export interface ProfileTimes {
  /** Milliseconds of work. */
  readonly workMs: number;
  /** Milliseconds of waiting for others. */
  readonly waitMs: number;
  /** Fraction of the step, work and waiting together, 0 to 1. */
  readonly share: number;
  /** The worker with the most work. */
  readonly busiest: { readonly rank: number; readonly workMs: number };
}

/** The time of one phase of the step. */
export interface ProfilePhaseTimes extends ProfileTimes {
  /** Which phase. */
  readonly phase: ProfilePhase;
}

/** The time of one layer. */
export interface ProfileLayer extends ProfileTimes {
  /** The layer's path in the model: `1.batchNorm`. */
  readonly path: string;
  /** Milliseconds of work in forward passes, a part of `workMs`. */
  readonly forwardMs: number;
  /** Milliseconds of work in backward passes, a part of `workMs`. */
  readonly backwardMs: number;
  /** Milliseconds of work in updates of its running statistics, a part of `workMs`. */
  readonly updateMs: number;
}

/** The time of one worker. */
export interface ProfileWorker {
  /** Its rank. */
  readonly rank: number;
  /** Milliseconds of work. */
  readonly workMs: number;
  /** Milliseconds of waiting for others. */
  readonly waitMs: number;
}

/** A part of one worker's step. Work spans follow each other without gaps; a wait is inside one of
 * them. */
export interface ProfileSpan {
  /** The worker. */
  readonly rank: number;
  /** The step, from 0. */
  readonly step: number;
  /** The phase. */
  readonly phase: ProfilePhase;
  /** Undefined if no layer runs. */
  readonly path?: string;
  /** Whether the worker waited for others. */
  readonly isWait: boolean;
  /** Milliseconds since the first span. */
  readonly fromMs: number;
  /** Its end, in milliseconds. */
  readonly toMs: number;
}

/** Where the time of this trainer's steps has gone. */
export interface Profile {
  /** Number of steps recorded. */
  readonly steps: number;
  /** Time of one step, as the mean over steps and workers. */
  readonly stepMs: number;
  /** Time from the start of the process to the end of the first step on all workers, including data
   * and threads. */
  readonly firstStepMs: number;
  /** In step order. */
  readonly phases: readonly ProfilePhaseTimes[];
  /** In model order. */
  readonly layers: readonly ProfileLayer[];
  /** In rank order. */
  readonly workers: readonly ProfileWorker[];
  /** Every span of the last steps, at most 20: by worker, then by time. */
  readonly spans: readonly ProfileSpan[];
}

/** The profile of a run so far; undefined if it does not record or no step is complete. */
export function profileOf(plan: RunPlan, memory: WebAssembly.Memory): Profile | undefined {
  const { profile } = plan;
  if (profile === undefined) return undefined;
  const records = plan.workers.map(({ rank }) =>
    readProfile(profile, viewOf(memory, profile.regions[rank]!)),
  );
  const steps = Math.min(...records.map((record) => record.steps));
  return steps === 0 ? undefined : reportOf(profile, layerNames(plan), records);
}

/** The report of what all workers have recorded. Each must have completed at least one step. */
export function reportOf(
  plan: ProfilePlan,
  names: readonly string[],
  records: readonly WorkerRecord[],
): Profile {
  const slots = slotsOf(plan);
  const workers = records.map((record, rank) => sumsOf(record, rank, () => true));
  const stepMs = meanOf(workers.map(({ workMs, waitMs }) => workMs + waitMs));
  const timesOf = (isMine: (slot: number) => boolean): ProfileTimes => {
    const sums = records.map((record, rank) => sumsOf(record, rank, isMine));
    const workMs = meanOf(sums.map((sum) => sum.workMs));
    const waitMs = meanOf(sums.map((sum) => sum.waitMs));
    const { rank, workMs: most } = sums.reduce((a, b) => (b.workMs > a.workMs ? b : a));
    const busiest = { rank, workMs: most };
    return { workMs, waitMs, share: (workMs + waitMs) / stepMs, busiest };
  };
  // Both ends of a residual have its path.
  const layerOf = (path: string): ProfileLayer => {
    const isMine = (slot: number): boolean => names[slots[slot]!.layerId ?? -1] === path;
    const partMs = (phase: ProfilePhase): number =>
      timesOf((slot) => isMine(slot) && slots[slot]!.phase === phase).workMs;
    const parts = { forwardMs: partMs('forward'), backwardMs: partMs('backward') };
    return { path, ...parts, updateMs: partMs('update'), ...timesOf(isMine) };
  };
  return {
    steps: Math.min(...records.map((record) => record.steps)),
    stepMs,
    firstStepMs: Math.max(...records.map(({ firstEndMs }) => firstEndMs)) - PROCESS_START_MS,
    phases: PHASES.map((phase) => ({
      phase,
      ...timesOf((slot) => slots[slot]!.phase === phase),
    })),
    layers: [...new Set(names)].map(layerOf),
    workers,
    spans: spansOf(names, records),
  };
}

/** A worker's times per step over the given slots. */
function sumsOf(
  record: WorkerRecord,
  rank: number,
  isMine: (slot: number) => boolean,
): ProfileWorker {
  const { steps, totalMs, waitMs: waits } = record;
  let total = 0;
  let waited = 0;
  for (let slot = 0; slot < totalMs.length; slot++) {
    if (!isMine(slot)) continue;
    total += totalMs[slot]!;
    waited += waits[slot]!;
  }
  return { rank, workMs: (total - waited) / steps, waitMs: waited / steps };
}

function spansOf(
  names: readonly string[],
  records: readonly WorkerRecord[],
): readonly ProfileSpan[] {
  const all = records.flatMap(({ spans }, rank) => spans.map((span) => ({ ...span, rank })));
  const firstMs = all.reduce((first, { fromMs }) => Math.min(first, fromMs), Infinity);
  return all.map(({ layerId, fromMs, toMs, ...span }) => ({
    ...span,
    ...(layerId !== undefined && { path: names[layerId]! }),
    fromMs: fromMs - firstMs,
    toMs: toMs - firstMs,
  }));
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
