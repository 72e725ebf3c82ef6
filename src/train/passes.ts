// Runs a worker's micro-batches through the model, segment by segment (nn/graph/schedule.ts). Each
// micro-batch in order copies its parked blocks into the arena, runs its stages and copies out
// what later segments need; then all of them meet. A step does not allocate.

import { InvariantError } from '../base/errors.ts';
import type { Move } from '../nn/graph/parking.ts';
import { countForwardSegments, type Stage } from '../nn/graph/schedule.ts';
import { takesInEvaluation } from '../plan/feasible.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { WorkerPlan } from '../plan/workerPlan.ts';
import type { Member } from '../sync/group.ts';
import type { MicroBatch } from './microBatch.ts';

/** Called during backward. */
export interface BackwardWatch {
  /** Runs before the backward of the operation at this place in the program. */
  before(place: number): void;
  after(place: number): void;
}

/** Hooks into forward. `m` is the index of the micro-batch. */
export interface ForwardHooks {
  /** Loads the samples. */
  load(m: number): void;
  /** Run before and after the forward of the operation at this place in the program. */
  beforeForward?(place: number, m: number): void;
  afterForward?(place: number, m: number): void;
}

/** Hooks into a training step. */
export interface StepHooks extends ForwardHooks {
  /** Runs between forward and backward. */
  loss(m: number): void;
  /** Runs after the backward of an operation. */
  afterBackward?(place: number, m: number): void;
  /** Follows the last micro-batch; once it has finished an operation, all have. */
  readonly watch?: BackwardWatch | undefined;
}

/** Hooks into a forward pass without backward. */
export interface InferHooks extends ForwardHooks {
  /** Runs when the outputs are ready. They are valid until the next micro-batch is loaded. */
  done(m: number): void;
}

export interface Passes {
  /** Runs a training step up to the gradients. */
  runStep(hooks: StepHooks): void;
  /** Runs forward only. */
  runForward(hooks: InferHooks): void;
}

/** A stage of a micro-batch. */
interface BoundStage extends Stage {
  readonly run: () => void;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** A copy between two views. */
interface BoundMove {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** A micro-batch's part of a segment. */
interface Turn {
  readonly stages: readonly BoundStage[];
  readonly ins: readonly BoundMove[];
  readonly outs: readonly BoundMove[];
  /** What a forward pass without backward copies. */
  readonly inferIns: readonly BoundMove[];
  readonly inferOuts: readonly BoundMove[];
}

interface Segment {
  /** One per micro-batch. */
  readonly turns: readonly Turn[];
  /** Runs once all micro-batches have finished the segment; a no-op after the last segment. */
  meet(): void;
}

interface PassesSetup {
  readonly plan: RunPlan;
  readonly worker: WorkerPlan;
  readonly memory: WebAssembly.Memory;
  readonly member: Member;
  readonly microBatches: readonly MicroBatch[];
}

/** Binds the passes of a worker. */
export function bindPasses(setup: PassesSetup): Passes {
  const { plan, worker, member, microBatches } = setup;
  const segments = bindSegments(setup);
  const countForward = countForwardSegments(worker.schedule);
  const last = microBatches.length - 1;
  const now = microBatches[0]!.step;
  const { operations } = plan.graph;

  const runForwardStage = (stage: BoundStage, m: number, hooks: ForwardHooks): void => {
    const { place } = stage;
    member.setPosition(now.step, place);
    if (stage.isFirst) hooks.beforeForward?.(place, m);
    stage.run();
    if (stage.isLast) hooks.afterForward?.(place, m);
  };

  const runStage = (stage: BoundStage, m: number, hooks: StepHooks): void => {
    const { pass, place } = stage;
    if (pass === 'loss') {
      hooks.loss(m);
      return;
    }
    if (pass === 'forward') {
      runForwardStage(stage, m, hooks);
      return;
    }
    member.setPosition(now.step, place);
    if (stage.isFirst && m === last) hooks.watch?.before(place);
    stage.run();
    if (!stage.isLast) return;
    hooks.afterBackward?.(place, m);
    if (m === last) hooks.watch?.after(place);
  };

  /** The forward stages of a micro-batch in a segment. */
  const inferTurn = (segment: number, m: number, hooks: InferHooks): void => {
    const { stages, inferIns, inferOuts } = segments[segment]!.turns[m]!;
    if (segment === 0) hooks.load(m);
    copyAll(inferIns);
    for (let i = 0; i < stages.length; i++) {
      const stage = stages[i]!;
      if (stage.pass !== 'forward') break;
      runForwardStage(stage, m, hooks);
    }
    copyAll(inferOuts);
    if (segment === countForward - 1) hooks.done(m);
  };

  const meetsInEvaluation = operations.some((operation) =>
    takesInEvaluation(operation, plan.graph),
  );
  return {
    runStep(hooks) {
      for (let s = 0; s < segments.length; s++) {
        const { turns, meet } = segments[s]!;
        for (let m = 0; m < turns.length; m++) {
          const { stages, ins, outs } = turns[m]!;
          if (s === 0) hooks.load(m);
          copyAll(ins);
          for (let i = 0; i < stages.length; i++) runStage(stages[i]!, m, hooks);
          copyAll(outs);
        }
        meet();
      }
    },
    runForward(hooks) {
      if (now.training || meetsInEvaluation) {
        for (let s = 0; s < countForward; s++) {
          for (let m = 0; m <= last; m++) inferTurn(s, m, hooks);
          if (s < countForward - 1) segments[s]!.meet();
        }
        return;
      }
      for (let m = 0; m <= last; m++) {
        for (let s = 0; s < countForward; s++) inferTurn(s, m, hooks);
      }
    },
  };
}

function bindSegments({ worker, memory, microBatches }: PassesSetup): readonly Segment[] {
  const { schedule, storage, regions } = worker;
  const countForward = countForwardSegments(schedule);
  const windowPtr = regions.activations.offsetBytes;
  const homes = storage.parkedBytes.map((sizeBytes) => new ArrayBuffer(sizeBytes));
  const bindMove = (m: number, move: Move, isIn: boolean): BoundMove => {
    const { offsetBytes, sizeBytes, homeBytes } = move;
    const place = new Uint8Array(memory.buffer, windowPtr + offsetBytes, sizeBytes);
    const outside = new Uint8Array(homes[m]!, homeBytes, sizeBytes);
    return isIn ? { from: outside, to: place } : { from: place, to: outside };
  };
  return schedule.map((stages, s): Segment => {
    const turns = microBatches.map((microBatch, m): Turn => {
      const { ins, outs } = storage.moves[s]![m]!;
      const forInference = (moves: readonly Move[]): readonly Move[] =>
        moves.filter(({ neededIn }) => neededIn < countForward);
      return {
        stages: stages.map((stage) => bindStage(microBatch, stage)),
        ins: ins.map((move) => bindMove(m, move, true)),
        outs: outs.map((move) => bindMove(m, move, false)),
        inferIns: forInference(ins).map((move) => bindMove(m, move, true)),
        inferOuts: forInference(outs).map((move) => bindMove(m, move, false)),
      };
    });
    return { turns, meet: bindMeeting(microBatches[0]!, stages) };
  });
}

function bindStage({ program }: MicroBatch, stage: Stage): BoundStage {
  const { pass, place, part } = stage;
  const operation = program.operations[place];
  if (pass === 'loss' || operation === undefined) {
    return { ...stage, run: () => {}, isFirst: true, isLast: true };
  }
  const { parts } = operation[pass];
  const run = parts[part];
  if (run === undefined)
    throw new InvariantError(`parts of operation ${place}`, parts.length, part);
  return { ...stage, run, isFirst: part === 0, isLast: part === parts.length - 1 };
}

/** The meeting after the last stage of a segment, which is the same for all micro-batches. */
function bindMeeting({ program }: MicroBatch, stages: readonly Stage[]): () => void {
  const { pass, place, part } = stages.at(-1)!;
  if (pass === 'loss') return () => {};
  return program.operations[place]![pass].meetings[part] ?? (() => {});
}

function copyAll(moves: readonly BoundMove[]): void {
  for (let i = 0; i < moves.length; i++) {
    const { from, to } = moves[i]!;
    to.set(from);
  }
}
