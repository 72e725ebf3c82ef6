// Records where the time of a step goes: each worker divides its step into spans without gaps, one
// for each layer and pass, and times the synchronizations within them. Sums and the spans of the
// last steps are in a separate region; nothing is allocated. Without a profile, nothing is wrapped.
// profileReport.ts makes the report.

import {
  BACKWARD,
  CLOCK_SHIFT,
  FIRST_END,
  FORWARD,
  HEADER_LENGTH,
  KEPT_HEADER_LENGTH,
  KEPT_STEPS,
  LAYER_PHASES,
  NOW,
  PHASES,
  type ProfilePlan,
  SINCE,
  SLOT,
  SPAN_LENGTH,
  STEP,
  STEPS,
  UPDATE,
  WAIT_SINCE,
} from '../plan/profilePlan.ts';
import type { CutPass, CutPasses } from '../reduce/cutPasses.ts';
import type { Call } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';

/** The parts of a bound model that are recorded. */
export interface WatchedProgram {
  readonly operations: readonly ({ readonly layerId: number } & CutPasses)[];
  readonly bufferUpdates: readonly { readonly layerId: number; update(): void }[];
}

/** Records one worker's steps. Calls between steps are ignored, so that evaluation may use the same
 * operations. */
export interface Profiler {
  beginStep(step: number): void;
  /** Counts the time from now on for this phase. */
  enter(phase: number): void;
  endStep(): void;
  /** The same member, with its waits timed. */
  watchMember(member: Member): Member;
  /** The same program, with each operation in its own span. */
  watchProgram<P extends WatchedProgram>(program: P): P;
}

/** Indexes of the phases, for {@link Profiler.enter}. */
export const ENTER_LOSS = PHASES.indexOf('loss');
export const ENTER_UPDATE = PHASES.indexOf('update');
export const ENTER_OTHER = PHASES.indexOf('other');
const ENTER_LOAD = PHASES.indexOf('load');

/** Binds the recording to a worker's region, which must be zeroed. */
export function bindProfiler(plan: ProfilePlan, region: Float64Array): Profiler {
  const recorder = bindRecorder(plan, region);
  region[CLOCK_SHIFT] = clockShiftMs();
  return {
    ...bindSteps(plan, region, recorder),
    watchMember: (member) => watchMember(member, region, recorder),
    watchProgram: (program) => watchProgram(program, recorder),
  };
}

/** Writes spans and waits to the region. All state is in the region, and functions pass indexes
 * into it, because numbers passed between functions would be allocated. Only the numbers that the
 * clock returns remain. */
interface Recorder {
  /** Ends the current span and begins that of a slot. */
  turnTo(slot: number): void;
  /** Begins the span of a layer's pass; ignored between steps. */
  enterLayer(part: number, layerId: number): void;
  /** Ignored between steps. */
  endWait(): void;
}

/** The address of the kept spans: those of step s are at index s modulo {@link KEPT_STEPS}. */
function keptSpans({ countSlots, spansPerStep }: ProfilePlan): {
  readonly keptAt: number;
  readonly keptLength: number;
} {
  return {
    keptAt: HEADER_LENGTH + 2 * countSlots,
    keptLength: KEPT_HEADER_LENGTH + spansPerStep * SPAN_LENGTH,
  };
}

function bindRecorder(plan: ProfilePlan, region: Float64Array): Recorder {
  const { countLayers, countSlots, spansPerStep } = plan;
  const { keptAt, keptLength } = keptSpans(plan);
  const waitsAt = HEADER_LENGTH + countSlots;

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
  const turnTo = (slot: number): void => {
    region[NOW] = performance.now();
    const before = region[SLOT]!;
    const sum = HEADER_LENGTH + before;
    region[sum] = region[sum]! + region[NOW]! - region[SINCE]!;
    keep(before, SINCE, NOW);
    region[SLOT] = slot;
    region[SINCE] = region[NOW]!;
  };

  return {
    turnTo,
    enterLayer(part, layerId) {
      if (region[STEP] !== 0) turnTo(part * countLayers + layerId);
    },
    endWait() {
      if (region[STEP] === 0) return;
      region[NOW] = performance.now();
      const slot = region[SLOT]!;
      region[waitsAt + slot] = region[waitsAt + slot]! + region[NOW]! - region[WAIT_SINCE]!;
      keep(-1 - slot, WAIT_SINCE, NOW);
    },
  };
}

function bindSteps(
  plan: ProfilePlan,
  region: Float64Array,
  { turnTo }: Recorder,
): Pick<Profiler, 'beginStep' | 'enter' | 'endStep'> {
  const { keptAt, keptLength } = keptSpans(plan);
  const firstPhase = LAYER_PHASES.length * plan.countLayers;
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
      if (region[STEPS] === 0) region[FIRST_END] = region[NOW]!;
      region[STEPS] = region[STEPS]! + 1;
      region[STEP] = 0;
    },
  };
}

function watchMember(member: Member, region: Float64Array, { endWait }: Recorder): Member {
  return {
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
  };
}

function watchProgram<P extends WatchedProgram>(program: P, { enterLayer }: Recorder): P {
  const watch = (pass: CutPass, slotPart: number, layerId: number): CutPass => ({
    ...pass,
    parts: pass.parts.map((part) => () => {
      enterLayer(slotPart, layerId);
      part();
    }),
  });
  const operations = program.operations.map((operation): P['operations'][number] => ({
    ...operation,
    forward: watch(operation.forward, FORWARD, operation.layerId),
    backward: watch(operation.backward, BACKWARD, operation.layerId),
  }));
  const bufferUpdates = program.bufferUpdates.map((buffers) => ({
    ...buffers,
    update() {
      enterLayer(UPDATE, buffers.layerId);
      buffers.update();
    },
  }));
  return { ...program, operations, bufferUpdates };
}

/** The offset from the thread's performance.now(), which may have its own zero, to the monotonic
 * clock that all threads of a process share. */
function clockShiftMs(): number {
  const beforeMs = performance.now();
  const sharedMs = Number(process.hrtime.bigint()) / 1e6;
  return sharedMs - (beforeMs + performance.now()) / 2;
}
