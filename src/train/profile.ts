// Where the time of a step goes: each worker cuts its step into spans without gaps, one for each
// layer and pass, and times the synchronizations within them. Sums and the spans of the last steps
// lie in a region of its own; nothing is allocated. Without a profile nothing is wrapped. What the
// numbers become for people is in profileReport.ts.

import type { LayoutBuilder } from '../memory/layout.ts';
import type { Call } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';
import type { BoundOperation, Program } from './program.ts';

/** What a worker is at. `other` is the sums of losses and hits. */
export const PHASES = ['load', 'forward', 'loss', 'backward', 'update', 'other'] as const;
export type ProfilePhase = (typeof PHASES)[number];

/** Of so many steps, the last ones, every span is kept. */
export const KEPT_STEPS = 20;

/** Phases that layers have spans of their own in: running statistics are part of the update. */
const LAYER_PHASES = ['forward', 'backward', 'update'] as const;
const FORWARD = 0;
const BACKWARD = 1;
const UPDATE = 2;
/** How often a layer may synchronize in one pass before its waits are only summed; the
 * normalizations do it once. */
const WAITS_PER_SLOT = 2;

// A worker's region, in float64:
//   header | clock shift | steps | step + 1, 0 between steps | slot | since | now | wait since |
//   sums   | of each slot: time, waiting included |
//   waits  | of each slot: time within synchronizations |
//   kept   | KEPT_STEPS times: | step + 1, 0 while it is written | spans | slot, from, to | ... |
// Times are milliseconds; `from` and `to` are the thread's own performance.now(). A slot below 0 is
// a wait within the span -1 - slot.
const CLOCK_SHIFT = 0;
const STEPS = 1;
const STEP = 2;
const SLOT = 3;
const SINCE = 4;
const NOW = 5;
const WAIT_SINCE = 6;
const HEADER_LENGTH = 8;
const KEPT_HEADER_LENGTH = 2;
const SPAN_LENGTH = 3;

export interface ProfilePlan {
  readonly countLayers: number;
  readonly countSlots: number;
  readonly spansPerStep: number;
}

/** What a slot's time is spent on; `layerId` is undefined where no layer is run. */
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
  /** Of each slot. */
  readonly totalMs: readonly number[];
  readonly waitMs: readonly number[];
  readonly spans: readonly RecordedSpan[];
}

export function profileRegion(rank: number): string {
  return `rank ${rank}.profile`;
}

/** Places the regions of a profile in the arena. */
export function planProfile(
  builder: LayoutBuilder,
  countLayers: number,
  workers: number,
): ProfilePlan {
  const countSlots = LAYER_PHASES.length * countLayers + PHASES.length;
  // The last phases may come up twice, and each span is followed by its waits.
  const spansPerStep = (countSlots + PHASES.length) * (1 + WAITS_PER_SLOT);
  const keptLength = KEPT_HEADER_LENGTH + spansPerStep * SPAN_LENGTH;
  const shape = [HEADER_LENGTH + 2 * countSlots + KEPT_STEPS * keptLength];
  for (let rank = 0; rank < workers; rank++) {
    builder.add({ name: profileRegion(rank), type: 'f64', shape, writer: `rank ${rank}` });
  }
  return { countLayers, countSlots, spansPerStep };
}

/** What each slot stands for. */
export function slotsOf({ countLayers }: ProfilePlan): readonly ProfileSlot[] {
  const layers = LAYER_PHASES.flatMap((phase) =>
    Array.from({ length: countLayers }, (_, layerId) => ({ phase, layerId })),
  );
  return [...layers, ...PHASES.map((phase) => ({ phase }))];
}

/** Records one worker's steps. Calls between steps are ignored, so that evaluation may use the same
 * operations. */
export interface Profiler {
  beginStep(step: number): void;
  /** The time from here on goes to this phase. */
  enter(phase: number): void;
  endStep(): void;
  /** The same member, with its waits timed. */
  watchMember(member: Member): Member;
  /** The same program, with every operation in a span of its own. */
  watchProgram(program: Program): Program;
}

/** Places of the phases, for {@link Profiler.enter}. */
export const ENTER_LOSS = PHASES.indexOf('loss');
export const ENTER_UPDATE = PHASES.indexOf('update');
export const ENTER_OTHER = PHASES.indexOf('other');
const ENTER_LOAD = PHASES.indexOf('load');

/** Binds the recording to a worker's region, which is zero. */
export function bindProfiler(plan: ProfilePlan, region: Float64Array): Profiler {
  const { countLayers, countSlots, spansPerStep } = plan;
  const firstPhase = LAYER_PHASES.length * countLayers;
  const waitsAt = HEADER_LENGTH + countSlots;
  const keptAt = HEADER_LENGTH + 2 * countSlots;
  const keptLength = KEPT_HEADER_LENGTH + spansPerStep * SPAN_LENGTH;
  region[CLOCK_SHIFT] = clockShiftMs();

  // All state lies in the region and functions hand each other places in it, because numbers that
  // go from function to function are allocated. What is left is what the clock itself returns.
  const keep = (slot: number, fromAt: number, toAt: number): void => {
    const kept = keptAt + ((region[STEP]! - 1) % KEPT_STEPS) * keptLength;
    const count = region[kept + 1]!;
    if (count === spansPerStep) return;
    const at = kept + KEPT_HEADER_LENGTH + count * SPAN_LENGTH;
    region[at] = slot;
    region[at + 1] = region[fromAt]!;
    region[at + 2] = region[toAt]!;
    region[kept + 1] = count + 1;
  };
  /** Ends the running span and begins that of a slot. */
  const turnTo = (slot: number): void => {
    region[NOW] = performance.now();
    const before = region[SLOT]!;
    const sum = HEADER_LENGTH + before;
    region[sum] = region[sum]! + region[NOW]! - region[SINCE]!;
    keep(before, SINCE, NOW);
    region[SLOT] = slot;
    region[SINCE] = region[NOW]!;
  };
  const enterLayer = (part: number, layerId: number): void => {
    if (region[STEP] !== 0) turnTo(part * countLayers + layerId);
  };
  const endWait = (): void => {
    if (region[STEP] === 0) return;
    region[NOW] = performance.now();
    const slot = region[SLOT]!;
    region[waitsAt + slot] = region[waitsAt + slot]! + region[NOW]! - region[WAIT_SINCE]!;
    keep(-1 - slot, WAIT_SINCE, NOW);
  };

  return {
    beginStep(step) {
      const kept = keptAt + (step % KEPT_STEPS) * keptLength;
      region[kept] = 0;
      region[kept + 1] = 0;
      region[STEP] = step + 1;
      region[SLOT] = firstPhase + ENTER_LOAD;
      region[SINCE] = performance.now();
    },
    enter(phase) {
      turnTo(firstPhase + phase);
    },
    endStep() {
      turnTo(firstPhase + ENTER_OTHER);
      const step = region[STEP]! - 1;
      region[keptAt + (step % KEPT_STEPS) * keptLength] = step + 1;
      region[STEPS] = region[STEPS]! + 1;
      region[STEP] = 0;
    },
    watchMember: (member) => ({
      ...member,
      sync(call: Call) {
        if (region[STEP] !== 0) region[WAIT_SINCE] = performance.now();
        member.sync(call);
        endWait();
      },
      syncStop(call: Call) {
        if (region[STEP] !== 0) region[WAIT_SINCE] = performance.now();
        const isStopping = member.syncStop(call);
        endWait();
        return isStopping;
      },
    }),
    watchProgram(program) {
      const operations = program.operations.map(
        (operation): BoundOperation => ({
          ...operation,
          forward() {
            enterLayer(FORWARD, operation.layerId);
            operation.forward();
          },
          backward() {
            enterLayer(BACKWARD, operation.layerId);
            operation.backward();
          },
        }),
      );
      const bufferUpdates = program.bufferUpdates.map((buffers) => ({
        ...buffers,
        update() {
          enterLayer(UPDATE, buffers.layerId);
          buffers.update();
        },
      }));
      return { ...program, operations, bufferUpdates };
    },
  };
}

/** Reads what a worker has recorded. Also while it goes on: then the sums may lack a part of the
 * running step, and of the kept steps only those are returned that are whole. */
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
    totalMs: [...region.subarray(HEADER_LENGTH, HEADER_LENGTH + countSlots)],
    waitMs: [...region.subarray(HEADER_LENGTH + countSlots, keptAt)],
    spans,
  };
}

/** From the thread's performance.now(), whose zero may be its own, to the monotonic clock that all
 * threads of a process share. */
function clockShiftMs(): number {
  const beforeMs = performance.now();
  const sharedMs = Number(process.hrtime.bigint()) / 1e6;
  return sharedMs - (beforeMs + performance.now()) / 2;
}
