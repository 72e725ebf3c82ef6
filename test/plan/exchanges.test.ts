// What processes exchange: what one sends is what the other expects, in size and order; and a
// process that has received everything has all that its workers read.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import type { NormRequest } from '../../src/nn/convert/normRequest.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { gradientsExchange, snapshotExchange } from '../../src/plan/exchanges.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import type { ArenaRange, ExchangedRanges } from '../../src/sync/call.ts';

const data = synthetic({ train: 64, test: 8, shape: [8, 8, 3], classes: 5 });
const refnet = namedModel('refnet', { inputShape: data.inputShape, classes: 5 });

/** The plans of all processes. */
function plansOf(workers: readonly number[], norm: NormRequest): readonly RunPlan[] {
  const model = convertNorm(refnet, norm);
  const options = { model, data, optimizer: sgd({ lr: 0.1 }), globalBatch: 32, replicas: 8 };
  const config = resolveOptions({ ...options, workers: 1 });
  return workers.map((count, process) =>
    planRun({ ...config, workers: count, place: { process, workers } }),
  );
}

const WORKERS = [
  [1, 1],
  [2, 1],
  [1, 3, 2],
  [1, 1, 1, 1, 1],
] as const;
const NORMS: readonly (readonly [string, NormRequest])[] = [
  ['all', { to: 'sync' }],
  ['three', { to: 'sync', groupSize: 3 }],
  ['one', { to: 'local' }],
];

const reductionsOf = (plan: RunPlan) => [
  ...plan.reductions.values(),
  ...plan.populations.map(({ reduction }) => reduction),
];

/** All exchanges of a plan, in one order. */
function exchangesOf(plan: RunPlan): readonly ExchangedRanges[] {
  const between = reductionsOf(plan).flatMap((reduction) => reduction.between ?? []);
  const early = plan.gradients.parts.slice(0, -1).map(({ toFolding }) => toFolding);
  const { toAll } = plan.gradients;
  return [gradientsExchange(plan), toAll, snapshotExchange(plan), ...early, ...between];
}

const sizesOf = (ranges: readonly ArenaRange[]): number[] => ranges.map((range) => range.sizeBytes);

describe.each(WORKERS.map((workers) => ({ workers })))(
  'processes of $workers workers',
  ({ workers }) => {
    it.each(NORMS)('agree on their exchanges, with the statistics of %s', (_name, norm) => {
      const exchanges = plansOf(workers, norm).map(exchangesOf);
      for (const [from, sent] of exchanges.entries()) {
        expect(sent).toHaveLength(exchanges[0]!.length);
        for (const [to, received] of exchanges.entries()) {
          for (const [i, { sends }] of sent.entries()) {
            expect(sizesOf(sends[to]!)).toEqual(sizesOf(received[i]!.receives[from]!));
            if (from === to) expect(sends[to]).toEqual([]);
          }
        }
      }
    });

    it.each(NORMS)('write no byte twice, with the statistics of %s', (_name, norm) => {
      for (const plan of plansOf(workers, norm)) {
        for (const { receives } of exchangesOf(plan)) {
          const ranges = receives
            .flat()
            .filter(({ sizeBytes }) => sizeBytes > 0)
            .sort((a, b) => a.offsetBytes - b.offsetBytes);
          for (const [i, { offsetBytes }] of ranges.slice(1).entries()) {
            expect(offsetBytes).toBeGreaterThanOrEqual(
              ranges[i]!.offsetBytes + ranges[i]!.sizeBytes,
            );
          }
        }
      }
    });

    it('get all subtrees of the blocks that they fold, and then all gradients', () => {
      for (const plan of plansOf(workers, { to: 'sync' })) {
        const { parts, toAll } = plan.gradients;
        for (const { nodes } of parts) {
          let grain = 0;
          for (const { lo, hi } of nodes) {
            expect(lo).toBe(grain);
            grain = hi;
          }
          expect(grain).toBe(plan.grains.cut.count);
        }
        const own = parts.flatMap(({ folded }) =>
          plan.parameters.blocks.slice(folded[0]!.lo, folded[folded.length - 1]!.hi),
        );
        const ownBytes = own.reduce((sum, { length }) => sum + length * 4, 0);
        const received = sizesOf(toAll.receives.flat()).reduce((sum, size) => sum + size, 0);
        // Tensors are padded to cache lines.
        const wholeBytes = plan.parameters.length * 4;
        expect(ownBytes + received).toBeLessThanOrEqual(wholeBytes);
        const blocksBytes = plan.parameters.blocks.reduce((sum, { length }) => sum + length * 4, 0);
        expect(ownBytes + received).toBeGreaterThanOrEqual(blocksBytes);
      }
    });

    it('get the moments of groups in other processes', () => {
      for (const plan of plansOf(workers, { to: 'local' })) {
        const moments = [...plan.reductions.values()].filter(
          (r) => r.declared.combine === 'moments',
        );
        expect(moments.length).toBeGreaterThan(0);
        for (const { folded, groupPtrs, workers: bound, leafPtrs } of moments) {
          const own = new Set(bound.flatMap((groups) => groups.map(({ resultPtr }) => resultPtr)));
          const received = new Set(folded.receives.flat().map(({ offsetBytes }) => offsetBytes));
          for (const ptr of groupPtrs) expect(own.has(ptr) !== received.has(ptr)).toBe(true);
          expect(new Set(groupPtrs).size).toBe(groupPtrs.length);
          expect(leafPtrs).toHaveLength(plan.grains.cut.count);
        }
      }
    });
  },
);

it('is empty if there is only one process', () => {
  for (const exchange of exchangesOf(plansOf([3], { to: 'sync' })[0]!)) {
    expect(exchange).toEqual({ sends: [[]], receives: [[]] });
  }
});
