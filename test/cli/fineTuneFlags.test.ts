import { describe, expect, it } from 'vitest';
import { fineTuningFrom } from '../../src/cli/settings/fineTuneFlags.ts';
import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';

describe('flags of fine-tuning', () => {
  it.each<[RawFlags, object]>([
    [{}, {}],
    [
      { weights: 'a.ckpt', weightsPartial: true },
      { weights: 'a.ckpt', strictWeights: false },
    ],
    [{ freeze: '0.*, !*.bias' }, { freeze: ['0.*', '!*.bias'] }],
    [
      { lrScale: '0.*=0.1,1.*=2', weightDecayOf: '*.bias=0' },
      {
        parameterGroups: [
          { match: '0.*', lrScale: 0.1 },
          { match: '1.*', lrScale: 2 },
          { match: '*.bias', weightDecay: 0 },
        ],
      },
    ],
    [
      { bnStatistics: 'running', bnKeepRunning: true, bnLayers: '1.*,4.*' },
      {
        batchNorm: ['1.*', '4.*'].map((match) => ({
          match,
          statistics: 'running',
          updateStatistics: false,
        })),
      },
    ],
    [{ bnFreezeAffine: true }, { batchNorm: [{ trainAffine: false }] }],
  ])('%j', (raw, expected) => {
    expect(fineTuningFrom(new Flags(raw))).toEqual(expected);
  });

  it.each<[RawFlags, RegExp]>([
    [{ weightsPartial: true }, /--weights-partial requires --weights/],
    [{ bnLayers: '1.*' }, /--bn-layers requires one of --bn-statistics/],
    [{ lrScale: '0.*' }, /--lr-scale: expected .*pattern=number.*, got "0\.\*"/],
    [{ lrScale: '0.*=x' }, /--lr-scale: expected .*, got "0\.\*=x"/],
  ])('%j is refused', (raw, message) => {
    expect(() => fineTuningFrom(new Flags(raw))).toThrow(message);
  });
});
