// Finds where a step stopped being finite: the step is run again, with unchanged weights, and
// checked after every layer, forward and then backward. Each worker checks its own samples. The
// earliest finding of all workers is that of the run, and does not depend on their number.

import { sizeOf } from '../base/shape.ts';
import { viewOf } from '../memory/arena.ts';
import type { ValueId } from '../nn/graph/graph.ts';
import { inputsOf, outputsOf } from '../nn/graph/graph.ts';
import { exchangingPairs } from '../plan/cuts.ts';
import type { ParameterEntry } from '../plan/parameters.ts';
import { prepareCall } from '../sync/call.ts';
import type { Batches } from './batches.ts';
import type { WorkerContext } from './context.ts';
import type { MicroBatch } from './microBatch.ts';
import type { StepHooks } from './passes.ts';
import type { Update } from './update.ts';

/** The first thing that was not finite. */
export interface NonFinite {
  /** Its position in the step; the smallest one of all workers comes first. */
  readonly order: number;
  readonly what: 'input' | 'output' | 'loss' | 'gradient' | 'total gradient' | 'running statistics';
  /** The path of the layer; absent for `input` and `loss`. */
  readonly layer?: string;
  /** For `input`: the training sample. */
  readonly sample?: number;
}

/** A step after which a worker stopped. */
export interface Divergence {
  readonly step: number;
  /** What this worker found; undefined if another worker found it. */
  readonly found: NonFinite | undefined;
}

export interface DivergenceSearch {
  /** Runs a step again. All workers must call it together, before any part of the step's update. */
  inStep(index: number): Divergence;
  /** Checks this worker's gradients and running statistics after a step. */
  inState(index: number): Divergence;
  /** Whether this worker's running statistics are finite. Allocates nothing. */
  areStatisticsFinite(): boolean;
}

interface Statistics {
  readonly layer: string;
  readonly layerId: number;
  readonly from: number;
  readonly to: number;
}

/** Binds the search to a worker. */
export function bindDivergenceSearch(
  context: WorkerContext,
  batches: Batches,
  update: Update,
): DivergenceSearch {
  const { member, microBatches } = context;
  const looks = microBatches.map((microBatch) => bindLooks(context, microBatch));
  const findInPasses = bindPassSearch(context, looks, batches);
  const findInTotal = bindTotalSearch(context, update);
  const statistics = bindStatisticsSearch(context);
  const foldedCall = prepareCall({ kind: 'folded' });

  return {
    inStep(index) {
      // Do not take the snapshot again: the last one is that of the step itself.
      context.setNow({ isSnapshot: false });
      update.measure();
      const inTotal = findInTotal();
      // All workers have finished folding before any of them overwrites its part.
      member.sync(foldedCall);
      batches.begin(index);
      return { step: index, found: findInPasses() ?? inTotal };
    },
    inState(index) {
      update.measure();
      return { step: index, found: findInTotal() ?? statistics.find() };
    },
    areStatisticsFinite: statistics.areFinite,
  };
}

/** Returns a function that runs the passes of the step again and returns the first finding. They
 * continue after a finding, since the other workers take part in them. */
function bindPassSearch(
  context: WorkerContext,
  looks: readonly Looks[],
  batches: Batches,
): () => NonFinite | undefined {
  const { plan, microBatches } = context;
  const { operations } = plan.graph;
  const count = operations.length;
  const pathOf = (place: number): string => operations[place]!.path;
  let found: NonFinite | undefined;
  const note = (candidate: NonFinite): void => {
    if (found === undefined || candidate.order < found.order) found = candidate;
  };
  const hooks: StepHooks = {
    load(m) {
      batches.load(m);
      const slot = looks[m]!.firstNonFiniteInput();
      if (slot !== undefined) note({ order: 0, what: 'input', sample: batches.sampleIn(m, slot) });
    },
    afterForward(place, m) {
      const { writtenBy, isOutputFinite } = looks[m]!;
      for (const written of writtenBy(place)) {
        if (isOutputFinite(written)) continue;
        note({ order: 1 + written, what: 'output', layer: pathOf(written) });
      }
    },
    loss(m) {
      const { loss, step } = microBatches[m]!;
      loss.run();
      const areFinite = [loss.losses, ...loss.headLosses].every((losses) =>
        losses.subarray(0, step.countSamples).every((value) => Number.isFinite(value)),
      );
      if (!areFinite) note({ order: 1 + count, what: 'loss' });
    },
    afterBackward(place, m) {
      // The sums of gradients are complete only after the last micro-batch.
      const { isGradientFinite, areParametersFinite } = looks[m]!;
      const isWhole = m === microBatches.length - 1;
      if (isGradientFinite(place) && (!isWhole || areParametersFinite(place))) return;
      note({ order: 1 + 2 * count - place, what: 'gradient', layer: pathOf(place) });
    },
  };
  return () => {
    found = undefined;
    context.runStep(hooks);
    return found;
  };
}

/** Binds the check of the gradients that this worker has folded: parts that are finite may overflow
 * when added. */
function bindTotalSearch({ plan }: WorkerContext, update: Update): () => NonFinite | undefined {
  const count = plan.graph.operations.length;
  return () => {
    const layer = update.firstNonFinite();
    if (layer === undefined) return undefined;
    const layerId = plan.graph.operations.findIndex(({ path }) => path === layer);
    return { order: 2 + 3 * count - layerId, what: 'total gradient', layer };
  };
}

interface StatisticsSearch {
  find(): NonFinite | undefined;
  /** Allocates nothing. */
  areFinite(): boolean;
}

/** Binds the check of the running statistics that this worker updates. */
function bindStatisticsSearch(context: WorkerContext): StatisticsSearch {
  const { plan, memory } = context;
  const count = plan.graph.operations.length;
  const buffers = viewOf(memory, plan.regions.parameters.buffers);
  const statistics = statisticsOf(context);
  const isWhole = ({ from, to }: Statistics): boolean => {
    for (let i = from; i < to; i++) if (!Number.isFinite(buffers[i])) return false;
    return true;
  };
  return {
    find() {
      const found = statistics.find((of) => !isWhole(of));
      if (found === undefined) return undefined;
      const { layer, layerId } = found;
      return { order: 3 + 3 * count + layerId, what: 'running statistics', layer };
    },
    areFinite() {
      for (let i = 0; i < statistics.length; i++) if (!isWhole(statistics[i]!)) return false;
      return true;
    },
  };
}

/** The running statistics that this worker updates. */
function statisticsOf({ plan, microBatches }: WorkerContext): readonly Statistics[] {
  return microBatches[0]!.program.bufferUpdates.flatMap(({ layerId }) => {
    const { path } = plan.graph.operations[layerId]!;
    return plan.parameters.buffers
      .filter(({ layerPath }) => layerPath === path)
      .map(({ offset, length }) => ({ layer: path, layerId, from: offset, to: offset + length }));
  });
}

interface Looks {
  /** The operations with outputs that are complete after the forward pass of this one. */
  writtenBy(layerId: number): readonly number[];
  isOutputFinite(layerId: number): boolean;
  /** Checks the gradients of its inputs, after its backward pass. */
  isGradientFinite(layerId: number): boolean;
  /** Checks the gradients of its parameters, after the backward pass of the last micro-batch. */
  areParametersFinite(layerId: number): boolean;
  firstNonFiniteInput(): number | undefined;
}

/** Binds the checks of what an operation has written for a micro-batch's samples. */
function bindLooks(
  { plan, worker, memory, kernels }: WorkerContext,
  { step, program }: MicroBatch,
): Looks {
  const { operations } = plan.graph;
  const { parameters } = plan;
  const isValueFinite = (value: ValueId, ptr: number): boolean => {
    if (ptr === 0) return true;
    const length = step.countSamples * sizeOf(program.tensors[value]!.shape);
    return kernels.allFiniteF32(ptr, length) === 1;
  };
  const isPublishedFinite = ({ isWide, nodeOffset, length }: ParameterEntry): boolean =>
    worker.nodes.every(({ narrow, wide }) => {
      if (!isWide) {
        const ptr = narrow.offsetBytes + nodeOffset * 4;
        return kernels.allFiniteF32(ptr, length) === 1;
      }
      const values = viewOf(memory, wide);
      return values.subarray(nodeOffset, nodeOffset + length).every(Number.isFinite);
    });
  // The first of two layers side by side ends together with the second (cutPasses.ts).
  const waits = new Map(
    exchangingPairs(plan.graph).map(([first, second]) => [first, second] as const),
  );
  const endsWith = operations.map((operation) => {
    const second = operation.op === 'layer' ? waits.get(operation) : undefined;
    return operations.indexOf(second ?? operation);
  });
  const inputLength = sizeOf(program.input.shape);
  return {
    writtenBy: (layerId) => operations.flatMap((_, i) => (endsWith[i] === layerId ? [i] : [])),
    isOutputFinite: (layerId) =>
      outputsOf(operations[layerId]!).every((value) =>
        isValueFinite(value, program.tensors[value]!.ptr),
      ),
    isGradientFinite: (layerId) =>
      inputsOf(operations[layerId]!).every((value) =>
        isValueFinite(value, program.tensors[value]!.gradPtr),
      ),
    areParametersFinite(layerId) {
      const operation = operations[layerId]!;
      return parameters.entries
        .filter(({ isTrained }) => isTrained)
        .filter(({ layerPath }) => operation.op === 'layer' && layerPath === operation.path)
        .every(isPublishedFinite);
    },
    firstNonFiniteInput() {
      for (let slot = 0; slot < step.countSamples; slot++) {
        const ptr = program.input.ptr + slot * inputLength * 4;
        if (kernels.allFiniteF32(ptr, inputLength) === 0) return slot;
      }
      return undefined;
    },
  };
}
