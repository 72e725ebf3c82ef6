// What the arena holds, from the plan alone: nothing is allocated or trained. docs/memory.md shows
// the same table.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type { Region } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';

const WORKERS = [1, 2, 4];
const GLOBAL_BATCH = 128;
const doc = readFileSync(new URL('../../docs/memory.md', import.meta.url), 'utf8');

/** Both lie in one region for each worker. */
const KEPT = 'activations that wait for backward';
const PASSING = 'gradients, other activations';

/** What regions are for, by their names; the first that fits. */
const PARTS: readonly (readonly [part: string, pattern: RegExp])[] = [
  ['order of the samples, loading', /^data\.|^rank \d+\.sample$/],
  [KEPT, /^$/],
  [PASSING, /^rank \d+\.activations$/],
  ["layers' workspace", /^rank \d+\.(.*\.)?(padded|paddedGrad|coefficients|scratch)$/],
  ['weights, gradients, optimizer state', /^(parameters|gradients|optimizer\.state \d+)$/],
  ['gradients of subtrees', /^gradients\.node /],
  ['partial sums of gradients', /^rank \d+\.partials\./],
  ['statistics of norms', /\.(moments|sums|population)\.|diagnostics|^buffers$/],
  ['evaluation and prediction', /^(evaluation|predict)\./],
  ['update, targets, losses, control', /./],
];

function planFor(workers: number, replicas = 8): RunPlan {
  const data = synthetic({ train: 1, test: 0, shape: [32, 32, 3], classes: 10 });
  const model = namedModel('resnet20', { inputShape: [32, 32, 3], classes: 10 });
  const config = resolveOptions({
    data,
    model: convertNorm(model, { to: 'sync' }),
    optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
    replicas,
    workers,
    globalBatch: GLOBAL_BATCH,
  });
  // CIFAR-10's sizes.
  const cifar = { ...config.data, inputType: 'u8', countTrain: 50_000, countTest: 10_000 } as const;
  return planRun({ ...config, data: cifar });
}

function partOf({ name }: Pick<Region, 'name'>): string {
  return PARTS.find(([, pattern]) => pattern.test(name))![0];
}

/** Bytes of each part. */
function sizesOf(plan: RunPlan): ReadonlyMap<string, number> {
  const sizes = new Map(PARTS.map(([part]) => [part, 0]));
  for (const region of plan.layout.regions) {
    sizes.set(partOf(region), sizes.get(partOf(region))! + region.sizeBytes);
  }
  const keptBytes = plan.workers.reduce((sum, { storage }) => sum + storage.keptBytes, 0);
  sizes.set(KEPT, keptBytes);
  sizes.set(PASSING, sizes.get(PASSING)! - keptBytes);
  return sizes;
}

function cells(bytes: readonly number[]): string {
  return bytes.map((size) => `${(size / 1e6).toFixed(1)}`).join(' | ');
}

describe('the memory of resnet20 at a global batch of 128', () => {
  const plans = WORKERS.map((workers) => planFor(workers));
  const sizes = plans.map(sizesOf);
  const whole = plans.map(({ layout }) => layout.sizeBytes);

  it('matches docs/memory.md', () => {
    const rows = PARTS.map(([part]) => {
      const bytes = sizes.map((table) => table.get(part)!);
      return `| ${part} | ${cells(bytes)} |`;
    });
    rows.push(`| **whole arena** | ${cells(whole)} |`);
    // The formatter pads the cells.
    expect(doc.replaceAll(/ +/g, ' ')).toContain(rows.join('\n'));
    const { sparedBytes } = plans[0]!.workers[0]!.storage;
    expect(doc).toContain(`backward derives ${cells([sparedBytes])} MB`);
  });

  it('grows by less than 15 % from 1 to 4 workers', () => {
    const [one, , four] = whole;
    expect(four! / one!).toBeLessThan(1.15);
    expect(four! / one!).toBeGreaterThan(1);
  });

  it('has the same activations on any number of workers, up to alignment', () => {
    const [one, ...others] = sizes.map((table) => table.get(KEPT)!);
    for (const bytes of others) expect(bytes / one!).toBeCloseTo(1, 3);
  });

  it('has one copy of weights, gradients and optimizer state, and no samples', () => {
    const part = 'weights, gradients, optimizer state';
    expect(new Set(sizes.map((table) => table.get(part))).size).toBe(1);
    const regions = plans[0]!.layout.regions.filter(
      ({ name }) => partOf({ name }) === PARTS[0]![0],
    );
    // An index for each sample, and bytes that are normalized by a table.
    const bytes = regions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(bytes).toBe(4 * 50_000 + 4 * 256 * 3 + 32 * 32 * 3);
    const { length } = plans[0]!.parameters;
    expect(sizes[2]!.get('weights, gradients, optimizer state')).toBe(3 * 4 * length);
  });

  it("grows with the workers in their layers' workspace and the subtrees they publish", () => {
    const grown = PARTS.map(
      ([part]) => [part, sizes[2]!.get(part)! - sizes[0]!.get(part)!] as const,
    )
      .sort(([, a], [, b]) => b - a)
      .map(([part]) => part);
    expect(grown.slice(0, 2)).toEqual(["layers' workspace", 'gradients of subtrees']);
  });

  it('grows with the replicas only by their diagnostics', () => {
    const [few, many] = [planFor(2, 8), planFor(2, 64)];
    const rest = ({ layout }: RunPlan) =>
      layout.regions
        .filter(({ name }) => !name.includes('diagnostics'))
        .map(({ name, sizeBytes }) => [name, sizeBytes]);
    expect(rest(many)).toEqual(rest(few));
    const growth = many.layout.sizeBytes - few.layout.sizeBytes;
    expect(growth / few.layout.sizeBytes).toBeLessThan(0.02);
  });
});
