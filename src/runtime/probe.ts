// Inspects a net at given weights: its layers' inputs, its loss and its gradients on one fixed
// batch, as training computes them. It runs on the calling thread as one worker, which it blocks,
// and does not change running statistics.

import { sizeOf } from '../base/shape.ts';
import { fillArena } from '../checkpoint/state.ts';
import { storeSamples } from '../data/stored/storeSamples.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, viewOf } from '../memory/arena.ts';
import { bindBatches } from '../train/batches.ts';
import { bindContext } from '../train/context.ts';
import { bindUpdate } from '../train/update.ts';
import { planStart } from './planStart.ts';
import type { TrainerOptions } from './trainerOptions.ts';

/** A layer with a multi-dimensional weight: a convolution, a linear or a recurrent layer. */
export interface ProbedLayer {
  /** Such as `3.conv2d`. */
  readonly path: string;
  /** Channels of its input, the last axis. */
  readonly channels: number;
  /** The range of its first such weight among the parameters: [from, to). */
  readonly from: number;
  readonly to: number;
}

/** Receives a layer's inputs, [values, channels]: a view, valid until the call returns. */
export type InputsWatch = (layer: number, inputs: Float32Array) => void;

export interface Probe {
  readonly layers: readonly ProbedLayer[];
  /** All parameters, in layer order, with gaps of zeros; the caller may write them. Initially,
   * those that a run with the same seed starts with. */
  readonly parameters: Float32Array;
  /** The gradient of the mean loss from the last {@link run}, laid out like the parameters. */
  readonly gradients: Float32Array;
  /** Takes the parameters of a trainer of the same model: `trainer.weights()`. */
  load(weights: ReadonlyMap<string, { readonly values: ArrayLike<number> }>): void;
  /** Runs forward and backward at the current parameters. Returns the batch's mean loss plus each
   * head's loss times its weight. */
  run(watch?: InputsWatch): number;
}

/** Binds a model to all of its training data, which must be one batch. Throws a {@link UsageError}
 * for options that a trainer would refuse. */
export function bindProbe(
  options: Pick<TrainerOptions, 'model' | 'data' | 'optimizer' | 'heads' | 'replicas' | 'seed'>,
): Probe {
  const fixed = { shuffle: false, diagnosticsEvery: 0, workers: 1 } as const;
  const plan = planStart({ ...options, ...fixed, globalBatch: options.data.train.count });
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(options.data, plan.config);
  const module = compileKernels(plan.config.mode);
  const context = bindContext({ plan, module, memory, samples, rank: 0 });
  const batches = bindBatches(context);
  const update = bindUpdate(context);
  const { step, program, loss } = context.microBatches[0]!;
  const { entries } = plan.parameters;
  const parameters = viewOf(memory, plan.regions.parameters.values);
  const layers: (ProbedLayer & { readonly layerId: number })[] = [];
  const inputs: Float32Array[] = [];
  for (const [layerId, operation] of plan.graph.operations.entries()) {
    if (operation.op !== 'layer') continue;
    const { path } = operation;
    const weight = entries.find(({ layerPath, shape }) => layerPath === path && shape.length > 1);
    if (weight === undefined) continue;
    const { shape, ptr } = program.tensors[operation.input]!;
    const { offset, length } = weight;
    layers.push({ layerId, path, channels: shape.at(-1)!, from: offset, to: offset + length });
    inputs.push(new Float32Array(memory.buffer, ptr, plan.config.globalBatch * sizeOf(shape)));
  }
  const indexOf = new Map(layers.map(({ layerId }, i) => [layerId, i] as const));
  batches.prepareOrder(0);
  return {
    layers,
    parameters,
    gradients: viewOf(memory, plan.regions.parameters.gradients),
    load(weights) {
      for (const { name, offset } of entries) parameters.set(weights.get(name)!.values, offset);
    },
    run(watch) {
      context.setNow({ training: true, isSnapshot: false });
      batches.begin(0);
      context.runStep({
        load: batches.load,
        beforeForward(place) {
          const layer = indexOf.get(place);
          if (layer !== undefined) watch?.(layer, inputs[layer]!);
        },
        loss: () => loss.run(),
        watch: update.watch,
      });
      update.publish();
      update.measure();
      const all = [loss.losses, ...loss.headLosses];
      const sums = all.map((one) => one.subarray(0, step.countSamples).reduce((a, b) => a + b, 0));
      return sums.reduce((a, b) => a + b) / step.countSamples;
    },
  };
}
