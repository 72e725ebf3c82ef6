import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LayerSpec, nn, readWeights, writeWeights } from '../../src/index.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { planParameters } from '../../src/plan/parameters.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-weights-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Every tensor of a model, with different numbers for all elements. */
function countedWeights(model: LayerSpec, inputShape: readonly number[]) {
  const { entries, buffers } = planParameters(buildGraph(model, inputShape));
  let next = 0;
  return new Map(
    [...entries, ...buffers].map(({ name, shape, length }) => {
      const values = Float32Array.from({ length }, () => next++);
      return [name, { shape, values }] as const;
    }),
  );
}

describe('weights', () => {
  it('survive a file unchanged, for layers of every layout', async () => {
    const inputShape = [6, 5, 3];
    const model = nn.sequential([
      nn.conv2d(3, 4, { kernel: 3 }),
      nn.batchNorm(4),
      nn.layerNorm([4, 3, 4]),
      nn.residual(
        nn.sequential([nn.conv2d(4, 4, { kernel: 1, groups: 2 }), nn.prelu({ numParameters: 4 })]),
      ),
      nn.convTranspose2d(4, 2, { kernel: 2 }),
      nn.flatten(),
      nn.batchNorm(40),
      nn.linear(40, 12),
      nn.reshape([4, 3]),
      nn.conv1d(3, 3, { kernel: 2 }),
      nn.lstm(3, 2, { returnSequence: true }),
      nn.gru(2, 3, { norm: 'batch' }),
      nn.linear(3, 2, { bias: false }),
    ]);
    const weights = countedWeights(model, inputShape);
    const file = join(folder, 'all.safetensors');
    await writeWeights(file, weights, { model, inputShape });
    const read = await readWeights(file, { model, inputShape });
    expect([...read.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [name, { shape, values }] of weights) {
      expect(read.get(name)!.shape, name).toEqual(shape);
      expect([...read.get(name)!.values], name).toEqual([...values]);
    }
    expect(readFileSync(file).readBigUInt64LE() % 8n).toBe(0n);
  });
});
