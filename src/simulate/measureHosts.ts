// Measures a host's share of a step: real training in one process, with as many workers, samples
// and grains as the host has; the shares are timed alternately. Nothing is exchanged, but all other
// work of a host is included: its grains, its tree, the whole optimizer.

import { Trainer } from '../runtime/trainer.ts';
import type { TrainerOptions } from '../runtime/trainerOptions.ts';
import type { HostShare } from './hosts.ts';
import { stepMs, stepsOfTurn, timeInTurns, typicalOf } from './turns.ts';

/** Milliseconds of a step with each share, in order. `options` are those of the whole run. */
export async function measureShares(
  options: TrainerOptions,
  shares: readonly HostShare[],
  { rounds, turnMs }: { readonly rounds: number; readonly turnMs: number },
): Promise<readonly number[]> {
  const keyOf = (share: HostShare): string => JSON.stringify(share);
  const trainers = new Map<string, Trainer>();
  try {
    for (const share of shares) {
      if (trainers.has(keyOf(share))) continue;
      const { samples: globalBatch, grains, workers } = share;
      const run = { ...options, globalBatch, grains, workers, diagnosticsEvery: 0 };
      trainers.set(keyOf(share), await Trainer.start(run));
    }
    const turns = new Map<string, () => Promise<number>>();
    for (const [key, trainer] of trainers) {
      const steps = await stepsOfTurn(trainer, turnMs);
      turns.set(key, () => stepMs(trainer, steps));
    }
    const typical = typicalOf(await timeInTurns(turns, rounds), keyOf(shares[0]!));
    return shares.map((share) => typical(keyOf(share)));
  } finally {
    for (const trainer of trainers.values()) await trainer.close();
  }
}
