// Which normalizations a conversion changes, and that it changes no more of them than necessary:
// every kind, with no option at its default, to every target.

import { describe, expect, it } from 'vitest';
import { convertNorm, keptNorms } from '../../src/nn/convert/convertNorm.ts';
import { isNorm, normKindOf } from '../../src/nn/convert/normLeaf.ts';
import {
  CONVERTED_KINDS,
  NORM_TARGETS,
  type NormTarget,
} from '../../src/nn/convert/normRequest.ts';
import { NORM_KINDS, type NormKind } from '../../src/nn/layers/normTraits.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { gru, rnn } from '../../src/nn/specs/recurrent.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import { type LeafSpec, leavesOf } from '../../src/nn/specs/spec.ts';

const C = 32;
const run = { inputShape: [4, 4, C], replicas: 4, replicaBatch: 8 };
const common = { eps: 0.25, affine: false } as const;
const batch = { ...common, momentum: null } as const;

/** One of each kind, with all options off their defaults. */
const NORMS: Readonly<Record<NormKind, LeafSpec>> = {
  batchNorm: batchNorm(C, { ...batch, sync: 2, trackRunningStats: false }),
  batchRenorm: batchRenorm(C, { ...batch, sync: 3, rMax: 2, dMax: 4, warmupSteps: 7 }),
  filterResponseNorm: filterResponseNorm(C, { ...common, tlu: false }),
  frozenBatchNorm: batchNorm(C, { ...batch, sync: 2, frozen: true }),
  groupNorm: groupNorm(2, C, common),
  instanceNorm: instanceNorm(C, { eps: 0.25, affine: true, momentum: 0.5 }),
  layerNorm: layerNorm([4, C], common),
  rmsNorm: rmsNorm([4, C], common),
  virtualBatchNorm: batchNorm(C, { ...batch, virtualBatch: 4, trackRunningStats: false }),
};

/** What each target makes of each kind that it has to change, besides options that carry over. */
const CHANGES: Readonly<Record<Exclude<NormTarget, 'none' | 'auto'>, readonly string[]>> = {
  sync: ['kind', 'sync', 'frozen', 'virtualBatch'],
  local: ['kind', 'sync', 'frozen'],
  group: ['kind'],
  layer: ['kind'],
  instance: ['kind', 'momentum', 'trackRunningStats'],
  frozen: ['kind', 'frozen', 'virtualBatch'],
};

const TARGETS = NORM_TARGETS.filter((to) => to !== 'none' && to !== 'auto');

describe('a conversion of all kinds', () => {
  const cases = TARGETS.flatMap((to) => NORM_KINDS.map((kind) => [to, kind] as const));

  it.each(cases)(
    'to %s carries over every option that %s shares with the new layer',
    (to, kind) => {
      const from = NORMS[kind];
      const isPossible = to !== 'frozen' || ['batchRenorm', 'frozenBatchNorm'].includes(kind);
      if (!isPossible) {
        expect(() => convertNorm(from, { ...run, to, kinds: 'all' })).toThrow('running statistics');
        return;
      }
      const made = convertNorm(from, { ...run, to, kinds: 'all' });
      const shared = Object.keys(made).filter((key) => key in from && !CHANGES[to].includes(key));
      expect(shared).toEqual(expect.arrayContaining(['eps', 'affine']));
      const toBatch = (to === 'sync' || to === 'local') && kind === 'instanceNorm';
      for (const key of shared) {
        // An instanceNorm that does not track statistics says nothing about a batchNorm.
        if (toBatch && key === 'trackRunningStats') continue;
        expect(made[key as keyof typeof made], key).toEqual(from[key as keyof typeof from]);
      }
    },
  );

  it('does not change norms that already have the requested kind', () => {
    for (const [to, kind] of [
      ['group', 'groupNorm'],
      ['layer', 'layerNorm'],
      ['instance', 'instanceNorm'],
      ['frozen', 'frozenBatchNorm'],
      ['local', 'virtualBatchNorm'],
    ] as const) {
      expect(convertNorm(NORMS[kind], { ...run, to, kinds: 'all' })).toEqual(NORMS[kind]);
    }
    const fewer = convertNorm(NORMS.groupNorm, { to: 'group', numGroups: 8 });
    expect(fewer).toEqual({ ...NORMS.groupNorm, numGroups: 8 });
  });

  it('keeps the axes of an rmsNorm that becomes a layerNorm', () => {
    const made = convertNorm(NORMS.rmsNorm, { ...run, to: 'layer', kinds: 'all' });
    expect(made).toEqual(layerNorm([4, C], common));
  });
});

describe('a conversion without kinds', () => {
  const model = sequential(Object.values(NORMS));

  it.each(NORM_TARGETS)('to %s changes only batch normalizations that train', (to) => {
    const trained = { ...NORMS, batchNorm: batchNorm(C, { ...batch, sync: 2 }) };
    for (const kind of NORM_KINDS) {
      const made = convertNorm(trained[kind], { ...run, to });
      const changes = CONVERTED_KINDS.includes(kind as 'batchNorm');
      if (changes) expect(made, kind).not.toEqual(trained[kind]);
      else expect(made, kind).toEqual(trained[kind]);
    }
  });

  it('keeps batchRenorm and changes which replicas share its statistics', () => {
    expect(convertNorm(NORMS.batchRenorm, { to: 'sync' })).toEqual({
      ...NORMS.batchRenorm,
      sync: 'all',
    });
  });

  it('reports norms that were kept although they are not of the requested kind', () => {
    const keptBy = (to: NormTarget) => keptNorms(convertNorm(model, { ...run, to }), { to }).length;
    expect(keptBy('sync')).toBe(7);
    expect(keptBy('group')).toBe(6);
    expect(keptBy('auto')).toBe(6);
    const explicit = { to: 'sync', kinds: ['batchNorm'] } as const;
    expect(keptNorms(convertNorm(model, explicit), explicit)).toEqual([]);
  });

  it('treats a recurrent layer by the norm it uses', () => {
    const layers = [gru(3, 4, { norm: 'batch' }), gru(3, 4, { norm: 'layer' }), rnn(3, 4)];
    expect(layers.map(normKindOf)).toEqual(['batchNorm', 'layerNorm', undefined]);
    const [batched, layered] = layers.map((leaf) => convertNorm(leaf, { to: 'sync' }));
    expect(batched).toEqual({ ...layers[0], sync: 'all' });
    expect(layered).toEqual(layers[1]);
    const grouped = convertNorm(layers[0]!, { to: 'group' });
    expect(keptNorms(grouped, { to: 'group' })).toEqual([]);
    const two = { to: 'group', numGroups: 2 } as const;
    expect(() => convertNorm(layers[0]!, two)).toThrow(/^numGroups of gru: expected 1.*, got 2/);
  });

  it('is the same if it is done twice', () => {
    for (const to of NORM_TARGETS) {
      const trained = sequential([batchNorm(C), ...Object.values(NORMS).slice(1)]);
      const once = convertNorm(trained, { ...run, to });
      expect(convertNorm(once, { ...run, to }), to).toEqual(once);
      expect(leavesOf(once).every((leaf) => isNorm(leaf))).toBe(true);
    }
  });
});
