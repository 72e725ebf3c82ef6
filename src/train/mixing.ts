// Mixup and cutmix on one micro-batch: mixes the input and target in a slot with another sample of
// the global batch, augmented as at its own position. The result does not depend on which worker
// loads it.

import { sizeOf } from '../base/shape.ts';
import { bindMixDraw, isMixing, type Mix } from '../data/loading/drawMix.ts';
import type { InputLoader } from '../data/loading/inputs.ts';
import type { SplitView } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import type { MicroBatchRegions } from '../plan/regions.ts';
import type { WorkerContext } from './context.ts';
import type { MicroBatch } from './microBatch.ts';

export interface Mixing {
  /** How the sample at this position in the current step is mixed. Returns the same object each
   * time. */
  mixAt(position: number): Mix;
  /** Mixes the sample in a slot. */
  apply(slot: number): void;
}

/** The training samples. */
interface MixedSamples {
  readonly train: SplitView;
  readonly loader: InputLoader;
  /** The sample at a position of the current step. */
  readonly sampleAt: (position: number) => number;
}

/** Binds mixing to a micro-batch. Returns undefined if nothing is mixed. */
export function bindMixing(
  context: WorkerContext,
  microBatch: MicroBatch,
  { train, loader, sampleAt }: MixedSamples,
): Mixing | undefined {
  const { plan, memory } = context;
  const { step, program, plan: own } = microBatch;
  const { augmentation, data, seed } = plan.config;
  if (augmentation === null || !isMixing(augmentation)) return undefined;
  const draw = bindMixDraw(augmentation, seed, data.inputShape);
  const mix: Mix = {
    partner: 0,
    share: new Float64Array(1),
    isCut: false,
    top: 0,
    bottom: 0,
    left: 0,
    right: 0,
  };
  const partnerPtr = own.regions.mix.partner!.offsetBytes;
  const inputLength = sizeOf(data.inputShape);
  const inputs = new Float32Array(
    memory.buffer,
    program.input.ptr,
    own.size.capacity * inputLength,
  );
  const partner = viewOf(memory, own.regions.mix.partner!);
  const mixTarget = bindTargetMixing(context, own.regions, train);
  const [, width = 1, channels = 1] = data.inputShape;

  const cut = (from: number): void => {
    for (let row = mix.top; row < mix.bottom; row++) {
      const first = (row * width + mix.left) * channels;
      const end = (row * width + mix.right) * channels;
      for (let i = first; i < end; i++) inputs[from + i] = partner[i]!;
    }
  };
  const blend = (from: number): void => {
    const share = mix.share[0]!;
    for (let i = 0; i < inputLength; i++) {
      inputs[from + i] = share * inputs[from + i]! + (1 - share) * partner[i]!;
    }
  };
  const mixAt = (position: number): Mix => {
    draw(mix, step.step, position, step.globalCount);
    return mix;
  };
  return {
    mixAt,
    apply(slot) {
      const position = step.firstSample + slot;
      mixAt(position);
      const other = sampleAt(mix.partner);
      if (mix.partner !== position) {
        loader.loadAugmented(other, partnerPtr, step.step, mix.partner);
        if (mix.isCut) cut(slot * inputLength);
        else blend(slot * inputLength);
      }
      mixTarget(slot, sampleAt(position), other, mix.share);
    },
  };
}

/** Returns a function that writes the mixed target of two samples into a slot: shares of classes,
 * or numbers. */
function bindTargetMixing(
  { plan, memory }: WorkerContext,
  regions: MicroBatchRegions,
  train: SplitView,
): (slot: number, own: number, other: number, shares: Float64Array) => void {
  const { task } = plan.config.data;
  if (task.kind === 'classification') {
    const { classes } = task;
    const classOf = (sample: number): number =>
      train.slots[train.slotOf(sample)]!.targets[train.rowOf(sample)]!;
    const to = viewOf(memory, regions.mix.shares!);
    return (slot, own, other, shares) => {
      const share = shares[0]!;
      const at = slot * classes;
      for (let c = 0; c < classes; c++) to[at + c] = 0;
      to[at + classOf(own)] = share;
      const second = at + classOf(other);
      to[second] = to[second]! + (1 - share);
    };
  }
  const length = sizeOf(task.targetShape);
  const to = viewOf(memory, regions.targets);
  return (slot, own, other, shares) => {
    const share = shares[0]!;
    const first = train.slots[train.slotOf(own)]!.targets;
    const second = train.slots[train.slotOf(other)]!.targets;
    const [a, b] = [train.rowOf(own) * length, train.rowOf(other) * length];
    for (let i = 0; i < length; i++) {
      const mixed = share * first[a + i]! + (1 - share) * second[b + i]!;
      to[slot * length + i] = mixed;
    }
  };
}
