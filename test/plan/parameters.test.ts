import { describe, expect, it } from 'vitest';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { BLOCK_LENGTH, ownedBlocks, planParameters } from '../../src/plan/parameters.ts';

const resnet = planParameters(
  buildGraph(namedModel('resnet20', { inputShape: [32, 32, 3], classes: 10 }), [32, 32, 3]),
);

describe('the table of parameters', () => {
  const model = sequential([
    conv2d(3, 5, { kernel: 3, padding: 1 }),
    batchNorm(5),
    linear(4 * 4 * 5, 7),
  ]);
  const plan = planParameters(buildGraph(model, [4, 4, 3]));

  it('names every tensor by its layer, in the order of the model', () => {
    expect(plan.entries.map(({ name, shape, isWide }) => [name, shape, isWide])).toEqual([
      ['0.conv2d.weight', [3, 3, 3, 5], false],
      ['0.conv2d.bias', [5], true],
      ['1.batchNorm.weight', [5], true],
      ['1.batchNorm.bias', [5], true],
      ['2.linear.weight', [80, 7], false],
      ['2.linear.bias', [7], true],
    ]);
    expect(plan.buffers.map(({ name, initial }) => [name, initial])).toEqual([
      ['1.batchNorm.runningMean', 0],
      ['1.batchNorm.runningVar', 1],
      ['1.batchNorm.numBatchesTracked', 0],
    ]);
  });

  it('begins tensors on cache lines and keeps them apart in every region', () => {
    for (const { entries, length, nodeLengths } of [plan, resnet]) {
      const ends = { all: 0, narrow: 0, wide: 0 };
      for (const entry of entries) {
        const type = entry.isWide ? 'wide' : 'narrow';
        expect(entry.offset % 32).toBe(0);
        expect(entry.offset).toBeGreaterThanOrEqual(ends.all);
        expect(entry.nodeOffset).toBeGreaterThanOrEqual(ends[type]);
        ends.all = entry.offset + entry.length;
        ends[type] = entry.nodeOffset + entry.length;
      }
      expect(ends.all).toBeLessThanOrEqual(length);
      expect(ends.narrow).toBeLessThanOrEqual(nodeLengths.narrow);
      expect(ends.wide).toBeLessThanOrEqual(nodeLengths.wide);
    }
  });

  it('places the tensors of one layer next to each other in a leaf', () => {
    for (const { entries, leafLengths } of [plan, resnet]) {
      for (const a of entries) {
        expect(a.leafOffset + a.length).toBeLessThanOrEqual(
          leafLengths[a.isWide ? 'wide' : 'narrow'],
        );
        for (const b of entries) {
          if (a === b || a.layerPath !== b.layerPath || a.isWide !== b.isWide) continue;
          const isBehind = a.leafOffset >= b.leafOffset + b.length;
          expect(isBehind || b.leafOffset >= a.leafOffset + a.length).toBe(true);
        }
      }
    }
  });

  it('cuts every tensor into blocks, in order, without a gap', () => {
    for (const { entries, blocks } of [plan, resnet]) {
      for (const entry of entries) {
        let at = 0;
        for (const block of blocks.filter((candidate) => candidate.entry === entry)) {
          expect(block.start).toBe(at);
          expect(block.length).toBeGreaterThan(0);
          expect(block.length).toBeLessThanOrEqual(BLOCK_LENGTH);
          at += block.length;
        }
        expect(at).toBe(entry.length);
      }
    }
  });
});

describe('the owners of blocks', () => {
  it.each([1, 2, 3, 5, 8, 64, 300])('are %d workers, contiguous and complete', (workers) => {
    const owned = ownedBlocks(resnet.blocks, workers);
    let at = 0;
    for (const { lo, hi } of owned) {
      expect(lo).toBe(at);
      expect(hi).toBeGreaterThanOrEqual(lo);
      at = hi;
    }
    expect(at).toBe(resnet.blocks.length);
    expect(owned.length).toBe(workers);
  });

  it.each([2, 3, 5, 8])('share the elements among %d workers to within a block', (workers) => {
    const sizes = ownedBlocks(resnet.blocks, workers).map(({ lo, hi }) =>
      resnet.blocks.slice(lo, hi).reduce((sum, block) => sum + block.length, 0),
    );
    const mean = sizes.reduce((sum, size) => sum + size, 0) / workers;
    for (const size of sizes) expect(Math.abs(size - mean)).toBeLessThanOrEqual(BLOCK_LENGTH);
  });
});
