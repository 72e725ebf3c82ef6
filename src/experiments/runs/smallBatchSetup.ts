// The norms, nets and sizes of the small-batch experiments, given the caller's choices. With a
// caller's net, quick runs are shortened to limit their total work.

import { sizeOf } from '../../base/shape.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { buildGraph } from '../../nn/graph/graph.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import {
  batchesFrom,
  COMPARED_NORMS,
  type ComparedNorm,
  netWith,
  normsFrom,
} from '../engine/choices.ts';
import type { ExperimentOptions, NetContext } from '../engine/experiment.ts';
import { type ConvStage, type NetPurpose, plainConvNet, purposeOf } from './plainNets.ts';

/** Without `instance`: it would have one value per channel in the net's hidden layer. */
const OWN_NORMS: readonly ComparedNorm[] = ['local', 'sync', 'group', 'layer', 'none'];
const DEFAULT_NORMS: readonly ComparedNorm[] = ['local', 'sync', 'group'];
export const SINGLE_TITLE = 'batch norm on one device';

export const REPLICAS = 8;
const FULL = { batches: [32, 16, 8, 4, 2], samples: 8000, epochs: 8 };
const QUICK = { batches: [32, 8, 2], samples: 4000, epochs: 6 };
/** Learning rate for batches of 32; it is scaled down for smaller ones. */
const RATE = 0.1;
const RATE_BATCH = 32;
export const MOMENTUM = 0.9;
/** Limit on the total work of all quick runs, in forward multiply-adds: half of what the
 * experiment's own net needs, which takes 2 to 4 minutes on two cores. */
const QUICK_WORK = 8e11;
/** The cost of an output element for norms, activations and copies, in multiply-adds. */
const ELEMENT_WORK = 8;
const LEAST_SAMPLES = 1024;
const LEAST_EPOCHS = 2;
/** Six convolutions: 28x28 images end as 4x4 with 64 channels. */
const STAGES: readonly ConvStage[] = [
  { channels: 16, stride: 2 },
  { channels: 16, stride: 1 },
  { channels: 32, stride: 2 },
  { channels: 32, stride: 1 },
  { channels: 64, stride: 2 },
  { channels: 64, stride: 1 },
];
/** Hidden units after the stages, where each sample has one value per channel. */
const HIDDEN = 64;

/** The size of the runs. */
export interface SmallBatchSize {
  readonly norms: readonly ComparedNorm[];
  /** Per-replica batch sizes, largest first. */
  readonly batches: readonly number[];
  readonly largest: number;
  readonly smallest: number;
  readonly samples: number;
  readonly epochs: number;
  /** Learning rate for `rateBatch` samples per replica. */
  readonly rate: number;
  readonly rateBatch: number;
}

/** The size for the caller's choices. */
export function sizeFor(options: ExperimentOptions): SmallBatchSize {
  const own = options.quick ? QUICK : FULL;
  const known = options.net === undefined ? OWN_NORMS : COMPARED_NORMS;
  const norms = normsFrom(options, { known, defaults: DEFAULT_NORMS });
  const batches = batchesFrom(options, own.batches);
  const [largest, smallest] = [batches[0]!, batches.at(-1)!];
  const single = norms.includes('sync') ? 1 : 0;
  const runs = (norms.length * batches.length + single) * options.seeds;
  const { samples, epochs } = affordable(options, { ...own, runs });
  const { lr } = options;
  return {
    norms,
    batches,
    largest,
    smallest,
    samples: Math.min(samples, options.facts?.countTrain ?? samples),
    epochs,
    rate: lr ?? RATE,
    rateBatch: lr === undefined ? RATE_BATCH : largest,
  };
}

/** Samples and epochs of a run: the experiment's, but for quick runs of the caller's net no more
 * than {@link QUICK_WORK} allows. */
function affordable(
  { quick, net, facts, epochs: asked }: ExperimentOptions,
  own: { readonly samples: number; readonly epochs: number; readonly runs: number },
): { readonly samples: number; readonly epochs: number } {
  const epochs = asked ?? own.epochs;
  if (!quick || net === undefined || facts === undefined) return { samples: own.samples, epochs };
  const most = Math.floor(QUICK_WORK / own.runs / workOf(net.model, facts.inputShape));
  if (most >= own.samples * epochs) return { samples: own.samples, epochs };
  const least = Math.min(LEAST_SAMPLES, own.samples);
  const fewer = asked ?? Math.max(LEAST_EPOCHS, Math.min(epochs, Math.floor(most / least)));
  return { samples: Math.max(least, Math.floor(most / fewer)), epochs: fewer };
}

/** Forward multiply-adds per sample, including {@link ELEMENT_WORK} per output element. */
function workOf(model: LayerSpec, inputShape: NetPurpose['inputShape']): number {
  const { operations, shapes } = buildGraph(model, inputShape);
  let work = 0;
  for (const operation of operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec } = operation;
    const [input, output] = [shapes[operation.input]!, shapes[operation.output]!];
    work += kind.multiplyAdds?.(spec, input, output) ?? 0;
    work += ELEMENT_WORK * sizeOf(output);
  }
  return work;
}

/** The caller's net, or convolutions down to 4x4 and a hidden linear layer. With 28x28 inputs and 2
 * samples per replica, the last convolution's norm has 32 values per channel, and the hidden
 * layer's norm has 2. */
export function smallBatchNet(context: NetContext, norm: ComparedNorm): LayerSpec {
  const purpose = purposeOf(context.dataset);
  return netWith(context, norm, () => {
    if (norm === 'none') return plainConvNet({ ...purpose, norm, stages: STAGES, hidden: HIDDEN });
    const model = plainConvNet({ ...purpose, norm: 'sync', stages: STAGES, hidden: HIDDEN });
    const { inputShape } = purpose;
    return norm === 'sync' ? model : convertNorm(model, { to: norm, inputShape });
  });
}
