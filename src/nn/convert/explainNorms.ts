// What each normalization of a model takes its statistics over in a run, and what `auto` replaces
// it with and why. For `syncbn inspect`, and for users who ask why a layer was not synchronized.

import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import { positive, wholeNumber } from '../../base/values.ts';
import { buildGraph } from '../graph/graph.ts';
import { parseModel } from '../models/parse.ts';
import { shapeOption } from '../specs/options.ts';
import type { LayerSpec } from '../specs/spec.ts';
import { chooseNorm } from './autoNorm.ts';
import { isNorm, normName, traitsOf } from './normLeaf.ts';

/** What decides how many values statistics are taken over. */
export interface NormRun {
  /** The shape of the model's input, without the sample axis. */
  readonly inputShape: Shape;
  /** The replicas of the run. */
  readonly replicas: number;
  /** Samples of a replica in a full step; the mean if they differ. */
  readonly replicaBatch: number;
}

/** What `auto` chooses for a normalization, and why. */
export interface NormExplanation {
  /** The path of the layer, such as `1.batchNorm`. */
  readonly layer: string;
  /** A description of the layer, such as `batchNorm (sync)`. */
  readonly norm: string;
  /** Values that each mean of a full training step is over; 0 for frozen layers, which take
   * none. */
  readonly values: number;
  /** What `auto` chooses for this layer: `sync`, `local` or `group`. */
  readonly auto: string;
  /** The reason for this choice. */
  readonly why: string;
}

const runSchema = optionsSchema<NormRun>()({
  inputShape: shapeOption,
  replicas: wholeNumber(1),
  replicaBatch: positive,
});

/** One explanation for each normalization, in the order in which they run.
 *
 * @example
 * explainNorms(model, { inputShape: [8, 8, 1], replicas: 8, replicaBatch: 2 })
 */
export function explainNorms(model: LayerSpec, run: NormRun): readonly NormExplanation[] {
  const { inputShape, replicas, replicaBatch } = parseOptions('explainNorms', runSchema, run, {
    example: 'explainNorms(model, { inputShape: [28, 28, 1], replicas: 8, replicaBatch: 4 })',
  });
  const checked = parseModel(model, 'model of explainNorms');
  const { operations, shapes } = buildGraph(checked, inputShape);
  return operations.flatMap((operation) => {
    if (operation.op !== 'layer' || !isNorm(operation.spec)) return [];
    const { spec, path } = operation;
    const shape = shapes[operation.input]!;
    const channels = shape[shape.length - 1]!;
    const sync = 'sync' in spec && typeof spec.sync === 'number' ? { groupSize: spec.sync } : {};
    const place = { shape, channels, replicas, replicaBatch };
    const { to, values, why } = chooseNorm({ ...place, ...sync });
    const positions = sizeOf(shape) / channels;
    const own = traitsOf(spec).values(spec, { positions, replicaBatch, groupValues: values });
    return [{ layer: path, norm: normName(spec), values: own, auto: to, why }];
  });
}
