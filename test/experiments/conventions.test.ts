// The rules of other systems against their formulas: by hand, in NumPy's float32
// (test/support/golden/peers.py), and PyTorch itself on one rank.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  type ChannelBatch,
  type ChannelResult,
  CONVENTIONS,
  computeAs,
  computeExactly,
} from '../../src/experiments/peers/conventions.ts';

const base = { eps: 1e-5, momentum: 0.1, runningVar: 1 };

function as(name: string, batch: ChannelBatch): ChannelResult {
  return computeAs(CONVENTIONS.find((convention) => convention.name === name)!, batch);
}

/** Ranks with the values 1, 2 and 4; the gradients are 1 of the first rank and -2 of the other. */
const simple: ChannelBatch = {
  ...base,
  shards: [Float32Array.of(1, 2), Float32Array.of(4)],
  gradients: [Float32Array.of(1, 1), Float32Array.of(-2)],
};

const BY_COUNT = { mean: 7 / 3, variance: 14 / 9 };
const ALIKE = { mean: 2.75, variance: 1.6875 };

describe('by hand, for the ranks [1, 2] and [4]', () => {
  it.each([
    // M2 is 14 / 3 over 3 values.
    ['pytorch-ddp', { ...BY_COUNT, runningVar: 0.9 + 0.1 * (7 / 3) }],
    ['keras', { ...BY_COUNT, runningVar: 0.9 + 0.1 * (14 / 9) }],
    // Means 1.5 and 4, squares 2.5 and 16.
    ['flax', { ...ALIKE, runningVar: 0.9 + 0.1 * 1.6875 }],
    ['detectron2', { ...ALIKE, runningVar: 1 + 0.1 * 0.6875 }],
    ['detectron2-n', { ...BY_COUNT, runningVar: 0.9 + 0.1 * (14 / 9) }],
    ['mxnet', { ...ALIKE, runningVar: 0.9 + 0.1 * 1.6875 }],
    // Variances 1/4 and 0, means 1.5 and 4, two values counted for each: M2 = 1/2 + 6.25.
    ['apex', { ...ALIKE, runningVar: 0.9 + 0.1 * (6.75 / 3) }],
  ])('%s has these statistics', (name, expected) => {
    const { mean, variance, runningVar } = as(name, simple);
    expect(mean).toBeCloseTo(expected.mean, 6);
    expect(variance).toBeCloseTo(expected.variance, 6);
    expect(runningVar).toBeCloseTo(expected.runningVar, 6);
  });

  it('gradients are means of rank means, or of samples', () => {
    const invStd = 1 / Math.sqrt(14 / 9 + 1e-5);
    const [first, second, third] = [1, 2, 4].map((x) => (x - 7 / 3) * invStd) as [
      number,
      number,
      number,
    ];
    const ranks = ((first + second) / 2 - 2 * third) / 2;
    expect(as('pytorch-ddp', simple).weightGrad).toBeCloseTo(ranks, 6);
    expect(computeExactly(simple).weightGrad).toBeCloseTo((first + second - 2 * third) / 3, 12);
    const std = Math.sqrt(1.6875 + 1e-5);
    expect(as('mxnet', simple).weightGrad).toBeCloseTo((3 - 5.5 - 2 * 1.25) / std / 3, 6);
  });
});

const wild: ChannelBatch = {
  ...base,
  shards: [Float32Array.of(1.1, 2.3, 1003.7), Float32Array.of(10.5, -11.25)],
  gradients: [new Float32Array(3), new Float32Array(2)],
};

describe('bit for bit, as in float32 of NumPy', () => {
  it.each<[string, readonly number[], readonly number[]]>([
    [
      'pytorch-ddp',
      [201.27001953125, 161021.796875, 20128.625],
      [
        -0.4988347291946411, -0.4958442747592926, 1.9996999502182007, -0.47540944814682007,
        -0.5296116471290588,
      ],
    ],
    [
      'keras',
      [201.27000427246094, 161021.796875, 16103.080078125],
      [
        -0.4988347589969635, -0.4958442747592926, 1.9997000694274902, -0.4754094183444977,
        -0.5296116471290588,
      ],
    ],
    [
      'flax',
      [167.66250610351562, 139851.84375, 13986.0849609375],
      [
        -0.4453927278518677, -0.44218388199806213, 2.2355873584747314, -0.4202568829059601,
        -0.47841697931289673,
      ],
    ],
    [
      'detectron2',
      [167.66250610351562, 139851.84375, 13986.0849609375],
      [
        -0.4453927278518677, -0.44218388199806213, 2.2355873584747314, -0.4202568531036377,
        -0.47841697931289673,
      ],
    ],
  ])('%s', (name, statistics, outputs) => {
    const found = as(name, wild);
    expect([found.mean, found.variance, found.runningVar]).toEqual(statistics);
    expect(found.outputs.flatMap((own) => [...own])).toEqual(outputs);
  });
});

describe('ranks without values', () => {
  const empty = { ...simple, shards: [...simple.shards, new Float32Array(0)] };
  const batch = { ...empty, gradients: [...simple.gradients, new Float32Array(0)] };

  it.each(['pytorch-ddp', 'keras', 'detectron2-n'])('leave statistics of %s alone', (name) => {
    expect(as(name, batch).variance).toBe(as(name, simple).variance);
    expect(as(name, batch).weightGrad).toBeCloseTo((as(name, simple).weightGrad * 2) / 3, 6);
  });

  it.each(['flax', 'detectron2', 'mxnet', 'apex'])('have no answer of %s', (name) => {
    expect(as(name, batch).variance).toBeNaN();
  });
});

const PYTHON = '/usr/bin/python3';
const SCRIPT = `
import json, sys, torch
x = torch.tensor(json.load(sys.stdin)).reshape(-1, 1)
mean, var = torch.zeros(1), torch.ones(1)
y = torch.nn.functional.batch_norm(x, mean, var, training=True, momentum=0.1, eps=1e-5)
print(json.dumps([mean.item(), var.item(), y.flatten().tolist()]))`;
const hasTorch = spawnSync(PYTHON, ['-c', 'import torch']).status === 0;

it.skipIf(!hasTorch)(
  `pytorch-ddp on one rank is PyTorch${hasTorch ? '' : ' (skipped: no torch is installed)'}`,
  () => {
    const shard = Float32Array.from({ length: 37 }, (_, i) => 3 + Math.sin(i * i));
    const input = JSON.stringify([...shard]);
    const { stdout } = spawnSync(PYTHON, ['-c', SCRIPT], { input, encoding: 'utf8' });
    const [mean, runningVar, outputs] = JSON.parse(stdout) as [number, number, number[]];
    const batch = { ...base, shards: [shard], gradients: [new Float32Array(37)] };
    const found = as('pytorch-ddp', batch);
    expect(Math.abs(found.mean * 0.1 - mean)).toBeLessThan(1e-7);
    expect(Math.abs(found.runningVar - runningVar)).toBeLessThan(3e-7);
    for (const [i, y] of outputs.entries()) {
      expect(Math.abs(found.outputs[0]![i]! - y)).toBeLessThan(1e-6);
    }
  },
);
