import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { defaultNumGroups } from '../../src/nn/convert/groupRule.ts';
import { isNorm } from '../../src/nn/convert/normLeaf.ts';
import { type ConvertNormOptions, NORM_TARGETS } from '../../src/nn/convert/normRequest.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { MODEL_NAMES, namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import {
  batchNorm,
  type GroupNormSpec,
  groupNorm,
  instanceNorm,
  layerNorm,
} from '../../src/nn/specs/norms.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import { type LayerSpec, leavesOf } from '../../src/nn/specs/spec.ts';

const conv = conv2d(12, 12, { kernel: 3, padding: 1 });
const special = { eps: 1e-3, momentum: 0.3, trackRunningStats: false } as const;
const model = sequential([
  conv,
  batchNorm(12, special),
  residual(sequential([conv, groupNorm(4, 12, { affine: false }), relu()]), instanceNorm(12)),
]);
const run = { inputShape: [6, 5, 12], replicas: 4, replicaBatch: 2 };

const normsIn = (spec: LayerSpec) => leavesOf(spec).filter(isNorm);

describe('convertNorm', () => {
  it('to sync keeps eps, affine, momentum and tracking', () => {
    expect(normsIn(convertNorm(model, { to: 'sync', kinds: 'all' }))).toEqual([
      batchNorm(12, { ...special, sync: 'all' }),
      batchNorm(12, { affine: false, sync: 'all' }),
      batchNorm(12, { affine: false, sync: 'all' }),
    ]);
  });

  it('to sync accepts groups of replicas, and to local removes them', () => {
    const grouped = convertNorm(model, { to: 'sync', groupSize: 4 });
    expect(normsIn(grouped)[0]).toEqual(batchNorm(12, { ...special, sync: 4 }));
    expect(normsIn(convertNorm(grouped, { to: 'local' }))[0]).toEqual(batchNorm(12, special));
  });

  it('to local keeps virtual batches, which sync does not have', () => {
    const ghost = batchNorm(12, { virtualBatch: 2 });
    const kinds = ['virtualBatchNorm'] as const;
    expect(convertNorm(ghost, { to: 'local', kinds })).toEqual(ghost);
    expect(convertNorm(ghost, { to: 'sync', kinds })).toEqual(batchNorm(12, { sync: 'all' }));
  });

  it('to group follows the rule for groups, by the channels and, if known, the shape', () => {
    for (const channels of [4, 16, 37, 64, 512, 513]) {
      const numGroups = defaultNumGroups(channels, undefined);
      const converted = convertNorm(batchNorm(channels), { to: 'group' });
      expect(converted).toEqual(groupNorm(numGroups, channels));
    }
    const vectors = convertNorm(batchNorm(16), { to: 'group', inputShape: [16] });
    expect(vectors).toEqual(groupNorm(1, 16));
  });

  it('to group does not make the named models instance norms', () => {
    for (const name of MODEL_NAMES) {
      const model = namedModel(name, { inputShape: [32, 32, 1], classes: 10 });
      for (const norm of normsIn(convertNorm(model, { to: 'group', inputShape: [32, 32, 1] }))) {
        const { numGroups, channels } = norm as GroupNormSpec;
        expect(numGroups).toBeGreaterThanOrEqual(4);
        expect(channels / numGroups).toBeGreaterThan(1);
      }
    }
  });

  it('to layer uses whole samples, with the shape that follows from the input', () => {
    const converted = convertNorm(model, { to: 'layer', inputShape: [6, 5, 12] });
    expect(normsIn(converted)[0]).toEqual(layerNorm([6, 5, 12], { eps: 1e-3 }));
    expect(() => convertNorm(model, { to: 'layer' })).toThrow('inputShape');
  });

  it('to instance keeps affine', () => {
    expect(normsIn(convertNorm(model, { to: 'instance', kinds: 'all' })).slice(0, 2)).toEqual([
      instanceNorm(12, { eps: 1e-3, affine: true }),
      instanceNorm(12, { affine: false }),
    ]);
  });

  it('to frozen keeps everything of a batch normalization, and back is the same', () => {
    const options = { eps: 1e-3, momentum: null, sync: 3 } as const;
    const trained = sequential([conv, batchNorm(12, options)]);
    const frozen = convertNorm(trained, { to: 'frozen' });
    expect(normsIn(frozen)).toEqual([batchNorm(12, { ...options, frozen: true })]);
    const back = { to: 'sync', groupSize: 3, kinds: ['frozenBatchNorm'] } as const;
    expect(convertNorm(frozen, back)).toEqual(trained);
  });

  it('to frozen accepts every norm that evaluates with running statistics', () => {
    const frozen = { momentum: 0.2, frozen: true } as const;
    for (const [from, to] of [
      [batchRenorm(12, { momentum: 0.2, sync: 'all' }), { ...frozen, sync: 'all' }],
      [instanceNorm(12, { momentum: 0.2, trackRunningStats: true }), { ...frozen, affine: false }],
    ] as const) {
      expect(convertNorm(from, { to: 'frozen', kinds: 'all' })).toEqual(batchNorm(12, to));
    }
  });

  it('to none removes them and keeps everything else', () => {
    const bare = convertNorm(model, { to: 'none', kinds: 'all' });
    expect(leavesOf(bare)).toEqual([conv, conv, relu()]);
  });

  it('turns the trained threshold of a filterResponseNorm into a ReLU', () => {
    const thresholded = sequential([conv, filterResponseNorm(12)]);
    const plain = sequential([conv, filterResponseNorm(12, { tlu: false })]);
    const norm = batchNorm(12, { eps: 1e-6, sync: 'all' });
    expect(leavesOf(convertNorm(thresholded, { to: 'sync', kinds: 'all' }))).toEqual([
      conv,
      norm,
      relu(),
    ]);
    expect(leavesOf(convertNorm(plain, { to: 'sync', kinds: 'all' }))).toEqual([conv, norm]);
    expect(leavesOf(convertNorm(thresholded, { to: 'none', kinds: 'all' }))).toEqual([
      conv,
      relu(),
    ]);
  });

  it('uses the last axis as the channels of a normalization over several axes', () => {
    for (const norm of [layerNorm([6, 5, 12]), rmsNorm([5, 12])]) {
      expect(convertNorm(norm, { to: 'local', kinds: 'all' })).toEqual(batchNorm(12));
    }
  });

  it('does not change the model that it is given, nor the order of its layers', () => {
    const tracked = sequential([conv, batchNorm(12), residual(conv, batchNorm(12)), relu()]);
    const before = structuredClone(tracked);
    for (const to of NORM_TARGETS) {
      const converted = convertNorm(tracked, { to, ...run });
      const others = leavesOf(converted).filter((leaf) => !isNorm(leaf));
      expect(others, to).toEqual([conv, conv, relu()]);
    }
    expect(tracked).toEqual(before);
  });
});

describe('convertNorm to auto', () => {
  const kindsFor = (replicas: number, replicaBatch: number, groupSize?: number) =>
    normsIn(
      convertNorm(namedModel('mnist-cnn', { inputShape: [28, 28, 1], classes: 10 }), {
        to: 'auto',
        inputShape: [28, 28, 1],
        replicas,
        replicaBatch,
        ...(groupSize !== undefined && { groupSize }),
      }),
    ).map((norm) => (norm.kind === 'batchNorm' ? norm.sync : norm.kind));

  it('synchronizes with more than one replica, and does not with one', () => {
    expect(kindsFor(8, 16)).toEqual(['all', 'all', 'all']);
    expect(kindsFor(1, 128)).toEqual(['local', 'local', 'local']);
    expect(kindsFor(8, 16, 2)).toEqual([2, 2, 2]);
  });

  it('uses group normalization below 32 values per channel of the smallest sync group', () => {
    expect(kindsFor(2, 16)).toEqual(['all', 'all', 'all']);
    expect(kindsFor(2, 15.5)).toEqual(['all', 'all', 'groupNorm']);
    expect(kindsFor(5, 16, 2)).toEqual([2, 2, 'groupNorm']);
    expect(kindsFor(1, 31)).toEqual(['local', 'local', 'groupNorm']);
  });

  it('keeps batch normalization if a sample has one value', () => {
    const options = { to: 'auto', inputShape: [1], replicas: 2, replicaBatch: 2 } as const;
    expect(convertNorm(batchNorm(1), options)).toEqual(batchNorm(1, { sync: 'all' }));
  });

  it.each(['inputShape', 'replicas', 'replicaBatch'] as const)('has to be told %s', (name) => {
    const { [name]: _left, ...rest } = run;
    expect(() => convertNorm(model, { to: 'auto', ...rest })).toThrow(`no ${name}`);
  });
});

describe('convertNorm refuses, and names the layer, the value and the alternatives:', () => {
  const empty = { ...batchNorm(3), channels: 0 };
  const wide = conv2d(3, 8, { kernel: 3 });
  it.each<[string, LayerSpec, ConvertNormOptions, RegExp]>([
    [
      'other targets',
      model,
      { to: 'batch' as never },
      /^convertNorm to: expected .*auto.*, got "batch"/,
    ],
    [
      'groups that do not divide',
      model,
      { to: 'group', numGroups: 5 },
      /^numGroups of 1\.batchNorm with 12 channels: expected .*divisor of 12.*, got 5.*numGroups 4/,
    ],
    [
      'no groups',
      model,
      { to: 'group', numGroups: 0 },
      /^convertNorm numGroups: expected .*, got 0/,
    ],
    [
      'groups of one value',
      batchNorm(8),
      { to: 'group', numGroups: 8, inputShape: [8] },
      /^numGroups of batchNorm with 8 channels: expected .*at least 2 values.*, got 8/,
    ],
    ['no channels', empty, { to: 'sync' }, /^model of convertNorm, channels: expected .*, got 0/],
    [
      'an input of another rank',
      sequential([wide, batchNorm(8)]),
      { to: 'layer', inputShape: [28, 3] },
      /^input of 0\.conv2d: expected HxWx3.*, got "28x3"/,
    ],
    [
      'an empty input',
      model,
      { to: 'group', inputShape: [0] },
      /^convertNorm inputShape: expected .*, got \[0\]/,
    ],
    [
      'freezing what has no running statistics',
      model,
      { to: 'frozen' },
      /^convertNorm of 1\.batchNorm to 'frozen': expected .*, got "batchNorm without/,
    ],
    [
      'an option of another target',
      model,
      { to: 'group', groupSize: 2 },
      /^convertNorm groupSize: expected .*'sync' or 'auto'.*, got "2 with to 'group'"/,
    ],
    [
      'other kinds',
      model,
      { to: 'sync', kinds: ['groupnorm' as never] },
      /^convertNorm kinds: expected 'all' or a list of .*, got "groupnorm".*Try: groupNorm/,
    ],
    ['no kinds', model, { to: 'sync', kinds: [] }, /^convertNorm kinds: expected .*, got \[\]/],
    [
      'no replicas',
      model,
      { ...run, to: 'auto', replicas: 0 },
      /^convertNorm replicas: expected .*, got 0/,
    ],
    [
      'no batch',
      model,
      { ...run, to: 'auto', replicaBatch: 0 },
      /replicaBatch: expected .*, got 0/,
    ],
  ])('%s', (_, spec, options, message) => {
    expect(() => convertNorm(spec, options)).toThrow(UsageError);
    expect(() => convertNorm(spec, options)).toThrow(message);
  });
});
