// PreciseBN (Wu and Johnson 2021, section 3): population statistics of every batch normalization
// over training batches with fixed weights, instead of running averages over changing weights. Each
// batch runs forward as in training, normalized by its own statistics; the moments of each layer's
// input are folded over grains along the tree and over batches in order, float64.

import { FLOAT_BYTES } from '../base/bytes.ts';
import { sizeOf } from '../base/shape.ts';
import { viewOf } from '../memory/arena.ts';
import type { LayerOperation } from '../nn/graph/graph.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { PopulationDefinition, PopulationPlan } from '../plan/populationPlan.ts';
import { bindReduction } from '../reduce/exchange.ts';
import { type BoundReduction, reduce } from '../reduce/reduction.ts';
import { prepareCall } from '../sync/call.ts';
import type { WorkerContext } from './context.ts';
import type { MicroBatch } from './microBatch.ts';

/** A layer that is measured, bound to a worker. */
interface BoundPopulation {
  readonly layerId: number;
  readonly isOwner: boolean;
  readonly channels: number;
  /** Computes the moments of a micro-batch right after the forward pass of this layer. */
  measure(m: number): void;
  /** Adds the batch to the totals, once all its micro-batches are measured. */
  add(definition: PopulationDefinition): void;
  reset(): void;
  /** Replaces the running statistics. The owner calls it after the last batch. */
  finish(definition: PopulationDefinition, batches: number): void;
}

export interface Populations {
  /** Starts a measurement. */
  begin(): void;
  /** Runs forward over a batch and computes its moments; `load` loads its micro-batches. */
  addBatch(definition: PopulationDefinition, load: (m: number) => void): void;
  /** Replaces the running statistics with those of `batches` batches. */
  finish(definition: PopulationDefinition, batches: number): void;
}

/** Binds the measurement to a worker. All workers must make the same calls. */
export function bindPopulations(context: WorkerContext): Populations {
  const { plan, member, now } = context;
  const bound = new Map(
    plan.populations.map((planned) => {
      const population = bindPopulation(context, planned);
      return [population.layerId, population] as const;
    }),
  );
  const what = { kind: 'population', length: bound.size };
  const call = prepareCall(what);
  return {
    begin() {
      for (const population of bound.values()) if (population.isOwner) population.reset();
    },
    addBatch(definition, load) {
      const afterForward = (place: number, m: number): void => bound.get(place)?.measure(m);
      context.runForward({ load, afterForward, done() {} });
      for (const population of bound.values()) {
        member.setPosition(now.step, population.layerId);
        population.add(definition);
      }
      // Prevents workers from overwriting the moments of this batch while others still read them.
      member.setPosition(now.step, -1);
      member.sync(call);
    },
    finish(definition, batches) {
      for (const population of bound.values()) {
        if (population.isOwner) population.finish(definition, batches);
      }
      member.sync(call);
    },
  };
}

function bindPopulation(context: WorkerContext, planned: PopulationPlan): BoundPopulation {
  const { plan, worker, memory, kernels, member } = context;
  const { operation, reduction: reductionPlan, total } = planned;
  const { graph, config } = plan;
  const { channels } = reductionPlan.declared;
  const totals = viewOf(memory, total);
  const pivotsPtr = planned.pivots[worker.rank]!.offsetBytes;
  const reduction = bindReduction(reductionPlan, kernels, member, worker.grains);
  const resultPtr = reduction.groups[0]!.resultPtr;
  const measures = context.microBatches.map((microBatch) =>
    bindMoments(context, microBatch, operation, reduction),
  );
  const isOwner = operation.index % config.workers === worker.rank;
  const batch = new Float64Array(memory.buffer, resultPtr, totals.length);
  return {
    layerId: graph.operations.indexOf(operation),
    isOwner,
    channels,
    reset: () => totals.fill(0),
    measure: (m) => measures[m]!(pivotsPtr),
    add(definition) {
      reduce(reduction);
      if (!isOwner) return;
      if (definition === 'pooled') {
        kernels.mergeMoments(total.offsetBytes, total.offsetBytes, resultPtr, channels);
      } else addAverage(totals, batch, channels);
    },
    finish(definition, batches) {
      writeRunning(context, operation, { totals, definition, batches });
    },
  };
}

/** Returns a function that writes the moments of the input of each grain of a micro-batch. It needs
 * space for pivots. */
function bindMoments(
  { plan, worker, kernels }: WorkerContext,
  { plan: own, step, program }: MicroBatch,
  operation: LayerOperation,
  reduction: BoundReduction,
): (pivotsPtr: number) => void {
  const shape = plan.graph.shapes[operation.input]!;
  const channels = shape[shape.length - 1]!;
  const rowsPerSample = sizeOf(shape) / channels;
  const sampleBytes = sizeOf(shape) * FLOAT_BYTES;
  const xPtr = program.tensors[operation.input]!.ptr;
  const { countGrains } = own.size;
  const firstGrain = own.grains.lo - worker.grains.lo;
  return (pivotsPtr) => {
    for (let grain = 0; grain < countGrains; grain++) {
      const start = step.grainStart[grain]!;
      const rows = (step.grainStart[grain + 1]! - start) * rowsPerSample;
      const leafPtr = reduction.leafPtr(firstGrain + grain);
      kernels.momentsF32(xPtr + start * sampleBytes, rows, channels, pivotsPtr, leafPtr);
    }
  };
}

/** Adds a batch to count-weighted means of mean and unbiased variance. */
function addAverage(totals: Float64Array, batch: Float64Array, channels: number): void {
  const count = batch[0]!;
  if (count === 0) return;
  totals[0] = totals[0]! + count;
  const share = count / totals[0]!;
  for (let c = 1; c <= channels; c++) {
    const variance = batch[channels + c]! / (count - 1);
    totals[c] = totals[c]! + share * (batch[c]! - totals[c]!);
    totals[channels + c] = totals[channels + c]! + share * (variance - totals[channels + c]!);
  }
}

function writeRunning(
  { plan, memory }: { readonly plan: RunPlan; readonly memory: WebAssembly.Memory },
  operation: LayerOperation,
  measured: {
    readonly totals: Float64Array;
    readonly definition: PopulationDefinition;
    readonly batches: number;
  },
): void {
  const { totals, definition, batches } = measured;
  const buffers = viewOf(memory, plan.regions.parameters.buffers);
  const placeOf = (name: string): number =>
    plan.parameters.buffers.find((entry) => entry.name === `${operation.path}.${name}`)!.offset;
  const channels = (totals.length - 1) / 2;
  const count = totals[0]!;
  buffers.set(totals.subarray(1, 1 + channels), placeOf('runningMean'));
  const degrees = definition === 'pooled' ? count - 1 : 1;
  for (let c = 0; c < channels; c++) {
    buffers[placeOf('runningVar') + c] = totals[1 + channels + c]! / degrees;
  }
  buffers[placeOf('numBatchesTracked')] = batches;
}
