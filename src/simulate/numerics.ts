// What R devices would really compute: the replicas of a Trainer are the devices, and it computes
// with exactly their statistics on any number of cores. Trains the same steps with local and with
// synchronized norms. How long that takes here says nothing about devices.

import { UsageError } from '../base/errors.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import type { Network } from './network.ts';

export interface NumericsOptions {
  readonly model: LayerSpec;
  /** At least steps x replicas x replicaBatch samples. */
  readonly data: TrainerOptions['data'];
  readonly optimizer: TrainerOptions['optimizer'];
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly steps: number;
  readonly seed: number;
}

/** A layer's batch statistics in the last step: how far the shards are from the global batch. */
export interface LayerDivergence {
  readonly layer: string;
  /** For the furthest replica: root mean square over the channels, in standard deviations. */
  readonly meanShift: number;
  /** The factor by which its variances typically differ. */
  readonly varianceFactor: number;
}

export interface Numerics {
  readonly replicas: number;
  readonly replicaBatch: number;
  readonly steps: number;
  /** The loss of each step. */
  readonly localLosses: readonly number[];
  readonly syncLosses: readonly number[];
  /** For the synchronized run. */
  readonly divergence: readonly LayerDivergence[];
  /** Root mean square of the weights' differences between the two runs, over that of the
   * synchronized run's weights. */
  readonly weightDifference: number;
}

/** The most arithmetic that a patient caller waits for: five minutes at 20 GFLOP/s. */
const MOST_FLOPS = 6e12;

/** The size of a real training; `norms` is the number of norms that are trained with. */
interface TrainingSize extends Pick<NumericsOptions, 'replicas' | 'replicaBatch' | 'steps'> {
  readonly norms: 1 | 2;
}

/** Refuses runs that would take too long. */
export function checkNumerics(network: Network, size: TrainingSize): void {
  const perSample = network.operations.reduce(
    (sum, { flopsForward, flopsBackward }) => sum + flopsForward + flopsBackward,
    0,
  );
  const { replicas, replicaBatch, steps, norms } = size;
  const flops = norms * perSample * replicas * replicaBatch * steps;
  if (flops <= MOST_FLOPS) return;
  const run = `${steps} steps of ${replicas} x ${replicaBatch} samples`;
  throw new UsageError({
    what: `real training of ${network.name}, ${run}`,
    given: `${(flops / 1e12).toFixed(1)} TFLOP`,
    allowed: `at most ${MOST_FLOPS / 1e12} TFLOP`,
    hint: 'a smaller --net, fewer steps or --rounds, a smaller batch',
  });
}

/** Trains with both norms. */
export async function trainReplicas(options: NumericsOptions): Promise<Numerics> {
  const local = await trainOnce(options, 'local');
  const sync = await trainOnce(options, 'sync');
  const { replicas, replicaBatch, steps } = options;
  return {
    replicas,
    replicaBatch,
    steps,
    localLosses: local.losses,
    syncLosses: sync.losses,
    divergence: sync.divergence,
    weightDifference: relativeDifference(local.weights, sync.weights),
  };
}

interface Trained {
  readonly losses: readonly number[];
  readonly divergence: readonly LayerDivergence[];
  readonly weights: ReturnType<Trainer['weights']>;
}

async function trainOnce(options: NumericsOptions, to: 'local' | 'sync'): Promise<Trained> {
  const { model, data, optimizer, replicas, replicaBatch, steps, seed } = options;
  const run = { model, data, optimizer, replicas, replicaBatch, seed, norm: { to } as const };
  const trainer = await Trainer.start({
    ...run,
    dropLast: true,
    diagnosticsEvery: 1,
    // Showing where it diverges is the purpose.
    onNonFinite: 'continue',
  });
  try {
    const losses: number[] = [];
    let before = 0;
    for (let step = 1; step <= steps; step++) {
      for await (const { loss } of trainer.fit({ epochs: 1, maxSteps: step })) {
        // The reported loss is the mean over the epoch so far.
        const sum = loss * step;
        losses.push(sum - before);
        before = sum;
      }
    }
    const layers = trainer.diagnostics()?.layers ?? [];
    return {
      losses,
      divergence: layers.map(({ path, worst }) => ({
        layer: path,
        meanShift: worst.meanShift,
        varianceFactor: worst.varianceFactor,
      })),
      weights: trainer.weights(),
    };
  } finally {
    await trainer.close();
  }
}

function relativeDifference(a: Trained['weights'], b: Trained['weights']): number {
  let difference = 0;
  let size = 0;
  for (const [name, { group, values }] of b) {
    if (group !== 'parameter') continue;
    const others = a.get(name)!.values;
    for (const [i, value] of values.entries()) {
      difference += (others[i]! - value) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(difference / size);
}
