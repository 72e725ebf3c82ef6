// The list of a step's exchanges against the calls that a worker makes when it trains one.

import { expect, it } from 'vitest';
import { fillArena } from '../../src/checkpoint/state.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena } from '../../src/memory/arena.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { stepExchanges, trafficOf } from '../../src/plan/exchanges.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import type { ExchangedRanges } from '../../src/sync/call.ts';
import type { Link } from '../../src/sync/link.ts';
import { bindWorker } from '../../src/train/worker.ts';
import { BASE, CASES } from '../support/processes/cases.ts';

const WORKERS = [1, 1, 1];
/** Nobody needs the gradient of its input. */
const NORM_FIRST = sequential([batchNorm(3), ...BASE.model.layers]);

function optionsOf(change: Partial<TrainerOptions>): TrainerOptions {
  return { ...BASE, diagnosticsEvery: 0, onNonFinite: 'continue', ...change, workers: 1 };
}

/** What one process of three exchanges in its first step, while the others send nothing. */
function exchangedBy(plan: RunPlan, { data }: TrainerOptions): readonly ExchangedRanges[] {
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(data, plan.config);
  const made: ExchangedRanges[] = [];
  const link: Pick<Link, 'isStopping' | 'start' | 'finish'> = {
    isStopping: false,
    start: ({ exchange }) => made.push(exchange!),
    finish: () => {},
  };
  const links = plan.gradients.parts.map(() => link as Link);
  const module = compileKernels('fast');
  const worker = bindWorker({ plan, module, memory, samples, rank: 0, links });
  worker.train(0, 1, 1);
  return made;
}

const sorted = (exchanges: readonly ExchangedRanges[]) =>
  exchanges
    .map(trafficOf)
    .sort((a, b) => a.sentBytes - b.sentBytes || a.receivedBytes - b.receivedBytes);

it.each([...CASES, ['beginning with a norm', { model: NORM_FIRST }] as const])(
  '%s: a step exchanges what its plan lists',
  (_name, change) => {
    const options = optionsOf(change);
    const config = { ...resolveOptions(options), diagnosticsEvery: 0 };
    for (const process of [0, 2]) {
      const plan = planRun({ ...config, place: { process, workers: WORKERS } });
      const listed = stepExchanges(plan);
      expect(sorted(exchangedBy(plan, options))).toEqual(sorted(listed));
      expect(listed.slice(-2).map(({ part }) => part)).toEqual(['gradients', 'foldedGradients']);
    }
  },
);

it('exist for each norm forward, and backward if the gradient is needed', () => {
  const countOf = (change: Partial<TrainerOptions>, workers: readonly number[]): number => {
    const config = resolveOptions(optionsOf(change));
    const exchanges = stepExchanges(planRun({ ...config, place: { process: 0, workers } }));
    return exchanges.filter(({ part }) => part === 'statistics').length;
  };
  expect(countOf({}, [1, 1])).toBe(6);
  expect(countOf({ model: NORM_FIRST }, [1, 1])).toBe(7);
  expect(countOf({}, [1])).toBe(0);
});
