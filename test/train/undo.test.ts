// Workers that are cut off anywhere in an update: the state that is restored is that of one whole
// step, bit for bit.

import { describe, expect, it } from 'vitest';
import { stateTensors } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { adam } from '../../src/optim/optimizer.ts';
import { buffersOwner, planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { bindUndo, clearStamps, restoreStep } from '../../src/train/undo.ts';

/** How far a worker has come in a step when it is cut off. */
const STAGES = ['before', 'kept', 'changing', 'changed'] as const;
type Stage = (typeof STAGES)[number];

const WORKERS = 3;
const data = synthetic({ train: 24, test: 4, shape: [3, 3, 1], classes: 3 });
const plan = planRun(
  resolveOptions({
    model: sequential([
      flatten(),
      linear(9, 4),
      batchNorm(4),
      linear(4, 4),
      batchNorm(4),
      linear(4, 3),
    ]),
    data,
    optimizer: adam({ lr: 0.01 }),
    globalBatch: 12,
    workers: WORKERS,
    elastic: true,
  }),
);

/** The numbers that a worker changes, each once. */
function ownNumbers(
  { parameters, gradients, graph }: RunPlan,
  rank: number,
): { readonly elements: number[]; readonly buffers: number[] } {
  const range = (from: number, length: number): number[] =>
    Array.from({ length }, (_, i) => from + i);
  const { lo, hi } = gradients.updated[rank]!;
  const paths = graph.operations.flatMap((operation) =>
    operation.op === 'layer' && buffersOwner(plan, operation) === rank ? operation.path : [],
  );
  return {
    elements: parameters.blocks
      .slice(lo, hi)
      .flatMap(({ entry, start, length }) => range(entry.offset + start, length)),
    buffers: parameters.buffers
      .filter(({ layerPath }) => paths.includes(layerPath))
      .flatMap(({ offset, length }) => range(offset, length)),
  };
}

function bindState(): {
  readonly memory: WebAssembly.Memory;
  readonly all: () => number[];
  readonly change: (rank: number, share: number) => void;
} {
  const memory = createArena(plan.layout);
  const { values, optimizerState, buffers } = plan.regions.parameters;
  const wholes = [values, ...optimizerState].map((region) => viewOf(memory, region));
  const running = viewOf(memory, buffers);
  const sums = viewOf(memory, plan.regions.control.epochSums);
  const tensors = stateTensors(plan, memory);
  const places = plan.workers.map(({ rank }) => ownNumbers(plan, rank));
  return {
    memory,
    all: () => [...tensors.flatMap((tensor) => [...tensor.values]), ...sums],
    change(rank, share) {
      const part = (places: number[]): number[] =>
        places.slice(0, Math.ceil(share * places.length));
      for (const at of part(places[rank]!.elements)) for (const whole of wholes) whole[at]! += 1;
      for (const at of part(places[rank]!.buffers)) running[at]! += 1;
      if (rank === 0) sums[0]! += 1;
    },
  };
}

/** One worker's step up to a stage. */
function advance(state: ReturnType<typeof bindState>, rank: number, step: number, to: Stage): void {
  const undo = bindUndo(plan, state.memory, rank)!;
  if (to === 'before') return;
  undo.keep(step);
  if (to === 'kept') return;
  state.change(rank, to === 'changing' ? 0.6 : 1);
  if (to === 'changed') undo.changed(step);
}

describe('the state after a worker was interrupted', () => {
  it('is that before the step unless all workers have changed their pieces', () => {
    for (let mix = 0; mix < STAGES.length ** WORKERS; mix++) {
      const stages = plan.workers.map(({ rank }) => {
        return STAGES[Math.floor(mix / STAGES.length ** rank) % STAGES.length]!;
      });
      const state = bindState();
      for (const { rank } of plan.workers) advance(state, rank, 6, 'changed');
      const before = state.all();
      expect(new Set(before)).toEqual(new Set([0, 1]));
      for (const [rank, stage] of stages.entries()) advance(state, rank, 7, stage);
      const isDone = stages.every((stage) => stage === 'changed');
      expect(restoreStep(plan, state.memory), stages.join()).toBe(isDone ? 8 : 7);
      if (isDone) expect(state.all()).toEqual(before.map((value) => 2 * value));
      else expect(state.all(), stages.join()).toEqual(before);
    }
  });

  it('is unchanged if no step was started', () => {
    const state = bindState();
    advance(state, 0, 3, 'changing');
    clearStamps(plan, state.memory);
    const before = state.all();
    expect(restoreStep(plan, state.memory)).toBeUndefined();
    expect(state.all()).toEqual(before);
  });
});
