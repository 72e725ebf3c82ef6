// A look into a net at given weights: what comes into its layers, its loss and its gradients on one
// fixed batch, as training computes them. On the calling thread, with one worker; it blocks while
// it computes, and running statistics stay as they are.

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

/** A layer with a weight of several axes: a convolution, a linear or a recurrent layer. */
export interface ProbedLayer {
  /** `3.conv2d`. */
  readonly path: string;
  /** Channels of its input, the last axis. */
  readonly channels: number;
  /** Where its first such weight lies among the parameters: [from, to). */
  readonly from: number;
  readonly to: number;
}

/** Sees what comes into a layer, [values, channels]: a view, valid until the call returns. */
export type InputsWatch = (layer: number, inputs: Float32Array) => void;

export interface Probe {
  readonly layers: readonly ProbedLayer[];
  /** All parameters, in the order of the layers, with gaps of zeros: written by the caller. At
   * first those that a run with the same seed starts with. */
  readonly parameters: Float32Array;
  /** The gradient of the mean loss, as the last {@link run} left it; laid out as the parameters. */
  readonly gradients: Float32Array;
  /** Takes the parameters of a trainer of the same model: `trainer.weights()`. */
  load(weights: ReadonlyMap<string, { readonly values: ArrayLike<number> }>): void;
  /** Forward and backward at the parameters as they are; gives the mean loss of the batch,
   * with those of heads times their weights. */
  run(watch?: InputsWatch): number;
}

/** Binds a model to the whole of its training data, which is to be one batch. Throws a
 * {@link UsageError} for options that a trainer would refuse. */
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
