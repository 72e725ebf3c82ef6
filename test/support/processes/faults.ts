// Runs with a fault, and their required outcomes.

import { expect } from 'vitest';
import { synthetic } from '../../../src/data/named/synthetic.ts';
import { sequential } from '../../../src/nn/models/compose.ts';
import { relu } from '../../../src/nn/specs/activations.ts';
import { flatten } from '../../../src/nn/specs/flatten.ts';
import { linear } from '../../../src/nn/specs/linear.ts';
import { batchNorm } from '../../../src/nn/specs/norms.ts';
import { sgd } from '../../../src/optim/optimizer.ts';
import type { TrainerOptions } from '../../../src/runtime/trainerOptions.ts';
import type { TransportFault } from '../../../src/sync/faultyTransport.ts';
import { trainFaulty } from './together.ts';

const data = synthetic({ train: 16, test: 4, shape: [8, 8, 1], classes: 3, seed: 3 });

/** Two steps of a net with two synchronized norms, in which most gradients go early: 7 exchanges
 * each. */
export const SMALL = {
  model: sequential([
    flatten(),
    ...[linear(64, 16), batchNorm(16), relu()],
    ...[linear(16, 1100), batchNorm(1100), relu()],
    linear(1100, 3),
  ]),
  norm: { to: 'sync' },
  data,
  optimizer: sgd({ lr: 0.05 }),
  globalBatch: 8,
  replicas: 2,
  diagnosticsEvery: 0,
  timeoutMs: 400,
  seed: 5,
} as const satisfies TrainerOptions;

const never: TransportFault = { kind: 'delay', exchange: -1 };
let undisturbed: Promise<string | Error> | undefined;

/** Trains with a fault in one process and compares what becomes of each. */
export async function expectFault(
  options: TrainerOptions,
  workers: readonly number[],
  process: number,
  fault: TransportFault,
): Promise<void> {
  undisturbed ??= trainFaulty(options, [1, 1], 0, never).then(([hash]) => hash!);
  const outcomes = await trainFaulty(options, workers, process, fault);
  if (fault.kind === 'delay') {
    const hash = await undisturbed;
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(outcomes).toEqual(workers.map(() => hash));
    return;
  }
  for (const [own, outcome] of outcomes.entries()) {
    expect(outcome).toBeInstanceOf(Error);
    const { message } = outcome as Error;
    if (own === process) expect(message).toMatch(/died before|did not come/);
    else expect(message).toMatch(new RegExp(`process ${process} on this host`));
  }
}
