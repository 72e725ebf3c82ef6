// Places and reads the profile of a run. Each worker has its own region, with the sums of its spans
// and the spans of the last steps; profile.ts records them.

import type { LayoutBuilder, Region } from '../memory/layout.ts';

/** The phases of a worker. `other` is the sums of losses and hits. */
export const PHASES = ['load', 'forward', 'loss', 'backward', 'update', 'other'] as const;
/** The phases of a step. */
export type ProfilePhase = (typeof PHASES)[number];

/** The number of last steps with every span kept. */
export const KEPT_STEPS = 20;

/** Phases with separate spans for each layer; running statistics are part of the update. */
export const LAYER_PHASES = ['forward', 'backward', 'update'] as const;
export const FORWARD = 0;
export const BACKWARD = 1;
export const UPDATE = 2;
/** The number of times that a layer may synchronize in one pass before its waits are only summed.
 * Normalizations synchronize once. */
const WAITS_PER_SLOT = 2;

// A worker's region, in float64:
//   header | clock shift | steps | step + 1, 0 between steps | slot | since | now | wait since |
//          | end of the first step |
//   sums   | of each slot: time, waiting included |
//   waits  | of each slot: time within synchronizations |
//   kept   | KEPT_STEPS times: | step + 1, 0 while it is written | spans | slot, from, to | ... |
// Times are milliseconds; `from` and `to` are the thread's own performance.now(). A slot below 0 is
// a wait within the span -1 - slot.
export const CLOCK_SHIFT = 0;
export const STEPS = 1;
export const STEP = 2;
export const SLOT = 3;
export const SINCE = 4;
export const NOW = 5;
export const WAIT_SINCE = 6;
export const FIRST_END = 7;
export const HEADER_LENGTH = 8;
export const KEPT_HEADER_LENGTH = 2;
export const SPAN_LENGTH = 3;

export interface ProfilePlan {
  readonly countLayers: number;
  readonly countSlots: number;
  readonly spansPerStep: number;
  /** The region of each worker. */
  readonly regions: readonly Region<'f64'>[];
}

/** What a slot's time is spent on; `layerId` is undefined if no layer runs. */
export interface ProfileSlot {
  readonly phase: ProfilePhase;
  readonly layerId?: number;
}

/** A part of a worker's step, with the step it belongs to; times by the clock of all threads. */
export interface RecordedSpan extends ProfileSlot {
  readonly step: number;
  readonly isWait: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a worker has recorded, over all its steps. */
export interface WorkerRecord {
  readonly steps: number;
  /** The end of the first step, by the clock of all threads. */
  readonly firstEndMs: number;
  /** The total time of each slot. */
  readonly totalMs: readonly number[];
  readonly waitMs: readonly number[];
  readonly spans: readonly RecordedSpan[];
}

/** Places the regions of a profile in the arena. */
export function planProfile(
  builder: LayoutBuilder,
  countLayers: number,
  workers: number,
  microBatches = 1,
): ProfilePlan {
  const countSlots = LAYER_PHASES.length * countLayers + PHASES.length;
  // The last phases may occur twice, and each span is followed by its waits. A layer in which
  // micro-batches meet has two spans for each of them.
  const perMicroBatch = microBatches === 1 ? 1 : 2 * microBatches;
  const spansPerStep = (countSlots + PHASES.length) * (1 + WAITS_PER_SLOT) * perMicroBatch;
  const keptLength = KEPT_HEADER_LENGTH + spansPerStep * SPAN_LENGTH;
  const shape = [HEADER_LENGTH + 2 * countSlots + KEPT_STEPS * keptLength];
  const regions = Array.from({ length: workers }, (_, rank) =>
    builder.add({ name: `rank ${rank}.profile`, type: 'f64', shape, writer: `rank ${rank}` }),
  );
  return { countLayers, countSlots, spansPerStep, regions };
}

/** The meaning of each slot. */
export function slotsOf({ countLayers }: ProfilePlan): readonly ProfileSlot[] {
  const layers = LAYER_PHASES.flatMap((phase) =>
    Array.from({ length: countLayers }, (_, layerId) => ({ phase, layerId })),
  );
  return [...layers, ...PHASES.map((phase) => ({ phase }))];
}

/** Reads the record of a worker, which may still be running. If so, the sums may lack a part of the
 * current step, and only complete kept steps are returned. */
export function readProfile(plan: ProfilePlan, region: Float64Array): WorkerRecord {
  const { countSlots, spansPerStep } = plan;
  const slots = slotsOf(plan);
  const keptAt = HEADER_LENGTH + 2 * countSlots;
  const keptLength = KEPT_HEADER_LENGTH + spansPerStep * SPAN_LENGTH;
  const shiftMs = region[CLOCK_SHIFT]!;
  const spans: RecordedSpan[] = [];
  for (let k = 0; k < KEPT_STEPS; k++) {
    const at = keptAt + k * keptLength;
    const copy = region.slice(at, at + keptLength);
    const step = copy[0]! - 1;
    if (step < 0 || region[at] !== copy[0]) continue;
    for (let i = 0; i < copy[1]!; i++) {
      const [slot, from, to] = copy.subarray(KEPT_HEADER_LENGTH + i * SPAN_LENGTH);
      const isWait = slot! < 0;
      const times = { fromMs: from! + shiftMs, toMs: to! + shiftMs };
      spans.push({ step, isWait, ...slots[isWait ? -1 - slot! : slot!]!, ...times });
    }
  }
  spans.sort((a, b) => a.fromMs - b.fromMs || b.toMs - a.toMs);
  return {
    steps: region[STEPS]!,
    firstEndMs: region[FIRST_END]! + shiftMs,
    totalMs: [...region.subarray(HEADER_LENGTH, HEADER_LENGTH + countSlots)],
    waitMs: [...region.subarray(HEADER_LENGTH + countSlots, keptAt)],
    spans,
  };
}
