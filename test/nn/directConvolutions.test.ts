import { describe, expect, it } from 'vitest';
import { convAlgorithmsOf, directConvolutions } from '../../src/nn/convert/directConvolutions.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import type { ConvAlgorithm } from '../../src/nn/specs/conv2d.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';

const modelWith = (algorithm: ConvAlgorithm) =>
  sequential([
    conv2d(3, 16, { kernel: 3, algorithm }),
    batchNorm(16, { sync: 'all' }),
    residual(
      conv2d(16, 16, { kernel: 3, padding: 1, algorithm }),
      conv2d(16, 16, { kernel: 1, bias: false, algorithm }),
    ),
  ]);

describe('directConvolutions', () => {
  it('makes all convolutions direct, and changes nothing else', () => {
    expect(directConvolutions(modelWith('auto'))).toEqual(modelWith('direct'));
    expect(directConvolutions(modelWith('direct'))).toEqual(modelWith('direct'));
  });

  it('is detected from the algorithms of the convolutions', () => {
    const layers = (['direct', 'auto', 'direct'] as const).map((algorithm) =>
      conv2d(16, 16, { kernel: 3, algorithm }),
    );
    const mixed = sequential(layers);
    expect(convAlgorithmsOf(mixed)).toEqual(['direct', 'auto']);
    expect(convAlgorithmsOf(directConvolutions(mixed))).toEqual(['direct']);
    expect(convAlgorithmsOf(batchNorm(4))).toEqual([]);
  });

  it('reads models from before there was a choice', () => {
    const written = JSON.stringify(modelWith('auto')).replaceAll(/,"algorithm":"auto"/g, '');
    expect(written).not.toContain('algorithm');
    const old = JSON.parse(written);
    expect(parseModel(old, 'model')).toEqual(modelWith('auto'));
    expect(directConvolutions(old)).toEqual(modelWith('direct'));
  });
});
