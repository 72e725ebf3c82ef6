// The nets of the experiments: their shapes, their norms, and where biases are.

import { describe, expect, it } from 'vitest';
import type { ComparedNorm } from '../../src/experiments/engine/choices.ts';
import {
  DEEP_STAGES,
  plainConvNet,
  plainPerceptron,
  purposeOf,
} from '../../src/experiments/runs/plainNets.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { leavesOf } from '../../src/nn/specs/spec.ts';
import { TINY_DATA } from '../support/madeUp.ts';

const NORMS: readonly ComparedNorm[] = ['none', 'sync', 'local', 'group', 'layer', 'instance'];

describe('plainConvNet', () => {
  it.each(NORMS)('with %s fits images of odd sizes', (norm) => {
    const model = plainConvNet({ inputShape: [9, 7, 2], classes: 5, norm, stages: DEEP_STAGES });
    expect(() => buildGraph(model, [9, 7, 2])).not.toThrow();
    expect(leavesOf(model)).toHaveLength(6 * (norm === 'none' ? 2 : 3) + 2);
  });

  it('has biases only where no norm follows', () => {
    for (const norm of NORMS) {
      const purpose = { inputShape: [8, 8, 1], classes: 4 };
      const leaves = leavesOf(plainConvNet({ ...purpose, norm, stages: DEEP_STAGES }));
      const convs = leaves.filter((leaf) => leaf.kind === 'conv2d');
      expect(convs.map(({ bias }) => bias)).toEqual(convs.map(() => norm === 'none'));
    }
  });

  it('refuses inputs that are not images, and regression', () => {
    const options = { inputShape: [9], classes: 5, norm: 'none' as const, stages: DEEP_STAGES };
    expect(() => plainConvNet(options)).toThrow(/images/);
    const task = { kind: 'regression' as const, targetShape: [1] };
    expect(() => purposeOf({ ...TINY_DATA, task })).toThrow(/classification/);
  });
});

describe('plainPerceptron', () => {
  it('has the requested hidden layers, and one more for the classes', () => {
    const model = plainPerceptron({
      ...purposeOf(TINY_DATA),
      norm: 'sync',
      depth: 5,
      width: 6,
      activation: 'sigmoid',
      init: 'torch',
    });
    const kinds = leavesOf(model).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'linear')).toHaveLength(6);
    expect(kinds.filter((kind) => kind === 'batchNorm')).toHaveLength(5);
    expect(() => buildGraph(model, TINY_DATA.inputShape)).not.toThrow();
  });
});
