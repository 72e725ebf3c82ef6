// Ghost batch normalization (Hoffer, Hubara, Soudry 2017): the samples of a replica are split, in
// order, into virtual batches that are normalized separately. Batch normalization treats a virtual
// batch as a grain that shares nothing. This file decides where they begin, sums their gradients,
// and gives each replica, which is a single grain here, one vector of moments for the running
// statistics.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { type BoundReduction, vectorLength } from '../reduce/reduction.ts';
import {
  type BatchNormSetup,
  type BoundBatchNorm,
  bindBatchNorm,
  coefficientsLength,
} from './batchNorm.ts';

export interface GhostNormSetup
  extends Omit<BatchNormSetup, 'adjust' | 'coefficientsPtr' | 'sums'> {
  /** Samples of a virtual batch. */
  readonly virtualBatch: number;
  /** The maximum number of samples of this worker in a step. */
  readonly capacity: number;
  /** {@link ghostWorkspaceLength} float64. */
  readonly workspacePtr: number;
}

/** The maximum number of virtual batches of a worker; a replica without samples counts as one. */
function countSlots(capacity: number, virtualBatch: number, countReplicas: number): number {
  return Math.floor(capacity / virtualBatch) + countReplicas;
}

/** The number of float64 values in the workspace. */
export function ghostWorkspaceLength(
  channels: number,
  virtualBatch: number,
  size: { readonly capacity: number; readonly countGrains: number },
): number {
  const slots = countSlots(size.capacity, virtualBatch, size.countGrains);
  const vectors = vectorLength('moments', channels) + vectorLength('sums', channels);
  // The rest is two leaves of gradients.
  return slots * vectors + coefficientsLength(channels, slots) + 2 * channels;
}

/** The number of virtual batches of a replica with `samples` samples. They begin at multiples of
 * `virtualBatch`; a remainder with fewer than 2 values per channel joins the batch before it. */
export function countVirtualBatches(
  samples: number,
  virtualBatch: number,
  rowsPerSample: number,
): number {
  const whole = Math.floor(samples / virtualBatch);
  const rest = samples - whole * virtualBatch;
  const isOwn = whole === 0 || rest * rowsPerSample >= 2;
  return whole + (isOwn && rest > 0 ? 1 : 0);
}

/** Binds the passes of a ghost batch normalization. */
export function bindGhostNorm(setup: GhostNormSetup): BoundBatchNorm {
  const { step, channels, moments, workspacePtr, weightGrad, biasGrad } = setup;
  const slots = countSlots(setup.capacity, setup.virtualBatch, setup.countGrains);
  const batches = bindVirtualBatches(setup, slots);
  const momentsBytes = vectorLength('moments', channels) * DOUBLE_BYTES;
  const sumsBytes = vectorLength('sums', channels) * DOUBLE_BYTES;
  const sumsPtr = workspacePtr + slots * momentsBytes;
  const coefficientsPtr = sumsPtr + slots * sumsBytes;
  const leavesPtr = coefficientsPtr + coefficientsLength(channels, slots) * DOUBLE_BYTES;
  const { groupPtrs } = moments;
  const finish = bindAverages(setup, batches, momentsBytes);
  const bound = bindBatchNorm({
    ...setup,
    step: {
      get training() {
        return step.training;
      },
      grainStart: batches.starts,
    },
    countGrains: slots,
    coefficientsPtr,
    moments: { ...slotsAlone(workspacePtr, momentsBytes, slots), groupPtrs, finish },
    sums: { ...slotsAlone(sumsPtr, sumsBytes, slots), groupPtrs, finish() {} },
    weightGrad: weightGrad && sinkOfSlots(setup, batches, weightGrad, leavesPtr),
    biasGrad:
      biasGrad && sinkOfSlots(setup, batches, biasGrad, leavesPtr + channels * DOUBLE_BYTES),
  });
  return {
    ...bound,
    forward() {
      batches.split();
      bound.forward();
    },
    // Nothing is exchanged, so there is nothing to share.
    exchanging: undefined,
  };
}

/** The virtual batches of all replicas in one step. */
interface VirtualBatches {
  /** Virtual batch v holds the samples [starts[v], starts[v + 1]). */
  readonly starts: Int32Array;
  /** Replica r holds the virtual batches [firstOf[r], firstOf[r + 1]), at least one. */
  readonly firstOf: Int32Array;
  /** The replica of a virtual batch; -1 if the step has fewer virtual batches. */
  readonly ownerOf: Int32Array;
  /** Splits the samples of the new step. */
  split(): void;
}

function bindVirtualBatches(setup: GhostNormSetup, slots: number): VirtualBatches {
  const { step, virtualBatch, rowsPerSample, countGrains: countReplicas } = setup;
  const starts = new Int32Array(slots + 1);
  const firstOf = new Int32Array(countReplicas + 1);
  const ownerOf = new Int32Array(slots);
  return {
    starts,
    firstOf,
    ownerOf,
    split() {
      let slot = 0;
      for (let replica = 0; replica < countReplicas; replica++) {
        const start = step.grainStart[replica]!;
        const end = step.grainStart[replica + 1]!;
        firstOf[replica] = slot;
        const count = Math.max(1, countVirtualBatches(end - start, virtualBatch, rowsPerSample));
        for (let i = 0; i < count; i++) {
          ownerOf[slot] = replica;
          starts[slot++] = start + i * virtualBatch;
        }
      }
      firstOf[countReplicas] = slot;
      ownerOf.fill(-1, slot);
      starts.fill(step.grainStart[countReplicas]!, slot);
    },
  };
}

/** Returns a function that writes each replica's moments from those of its virtual batches: mean
 * and unbiased variance, averaged with the counts as weights, as the moments that a replica with
 * these statistics would have. */
function bindAverages(
  setup: GhostNormSetup,
  { firstOf }: VirtualBatches,
  momentsBytes: number,
): () => void {
  const { channels, moments, workspacePtr, countGrains: countReplicas } = setup;
  const numbers = new Float64Array(setup.memory.buffer);

  const average = (replica: number): void => {
    const to = moments.leafPtr(replica) / DOUBLE_BYTES;
    numbers.fill(0, to, to + 1 + 2 * channels);
    let total = 0;
    for (let v = firstOf[replica]!; v < firstOf[replica + 1]!; v++) {
      total += numbers[(workspacePtr + v * momentsBytes) / DOUBLE_BYTES]!;
    }
    numbers[to] = total;
    for (let v = firstOf[replica]!; v < firstOf[replica + 1]!; v++) {
      const from = (workspacePtr + v * momentsBytes) / DOUBLE_BYTES;
      const count = numbers[from]!;
      if (count === 0) continue;
      const share = count / total;
      const degrees = (share * (total - 1)) / (count - 1);
      for (let c = 1; c <= channels; c++) {
        numbers[to + c] = numbers[to + c]! + share * numbers[from + c]!;
        const m2 = numbers[from + channels + c]!;
        numbers[to + channels + c] = numbers[to + channels + c]! + degrees * m2;
      }
    }
  };

  return () => {
    for (let replica = 0; replica < countReplicas; replica++) average(replica);
  };
}

/** A reduction that leaves each virtual batch its own vector. */
function slotsAlone(
  ptr: number,
  strideBytes: number,
  slots: number,
): Pick<BoundReduction, 'leafPtr' | 'publish' | 'exchange' | 'groups'> {
  const leafPtr = (v: number): number => ptr + v * strideBytes;
  return {
    leafPtr,
    publish() {},
    exchange() {},
    groups: Array.from({ length: slots }, (_, v) => ({ lo: v, hi: v + 1, resultPtr: leafPtr(v) })),
  };
}

/** Receives the gradients of virtual batches, in order, and passes a replica's sum to its sink. */
function sinkOfSlots(
  { kernels, channels }: GhostNormSetup,
  { firstOf, ownerOf }: VirtualBatches,
  gradient: GradientSink,
  leafPtr: number,
): GradientSink {
  return {
    leafPtr: () => leafPtr,
    fold(v) {
      const replica = ownerOf[v]!;
      if (replica < 0) return;
      const sumPtr = gradient.leafPtr(replica);
      if (v === firstOf[replica]) kernels.zeroBytes(sumPtr, channels * DOUBLE_BYTES);
      kernels.addF64(sumPtr, sumPtr, leafPtr, channels);
      if (v + 1 === firstOf[replica + 1]) gradient.fold(replica);
    },
  };
}
