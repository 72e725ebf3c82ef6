// Layers in every way in which ONNX files have them, with the shapes that they are given.

import type { Shape } from '../../../src/base/shape.ts';
import { nn } from '../../../src/index.ts';
import type { LayerSpec } from '../../../src/nn/specs/spec.ts';

export const image: Shape = [7, 6, 4];
const sequence: Shape = [6, 4];

export const layerCases: readonly (readonly [string, LayerSpec, Shape])[] = [
  ['relu', nn.relu(), image],
  ['relu6', nn.relu6(), image],
  ['leakyRelu', nn.leakyRelu(0.3), image],
  ['prelu', nn.prelu({ numParameters: 4 }), image],
  ['prelu of one slope', nn.prelu(), [5]],
  ['elu', nn.elu(0.7), image],
  ['gelu', nn.gelu(), image],
  ['gelu by tanh', nn.gelu({ approximate: 'tanh' }), image],
  ['silu', nn.silu(), image],
  ['sigmoid', nn.sigmoid(), image],
  ['tanh', nn.tanh(), image],
  ['hardSigmoid', nn.hardSigmoid(), image],
  ['hardSwish', nn.hardSwish(), image],
  ['softmax', nn.softmax(), image],
  ['conv2d', nn.conv2d(4, 6, { kernel: 3, stride: [2, 1], padding: [1, 0], groups: 2 }), image],
  ['conv2d same', nn.conv2d(4, 3, { kernel: [2, 3], stride: 2, padding: 'same' }), image],
  ['depthwise', nn.conv2d(4, 8, { kernel: 3, groups: 4, dilation: 2, bias: false }), image],
  ['standardized', nn.conv2d(4, 3, { kernel: 3, weightStandardization: true }), image],
  ['conv1d', nn.conv1d(4, 6, { kernel: 3, padding: { left: 2 }, dilation: 2 }), sequence],
  [
    'convTranspose2d',
    nn.convTranspose2d(4, 6, { kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
    image,
  ],
  ['linear', nn.linear(5, 3), [5]],
  ['linear of an image', nn.linear(168, 3), image],
  ['maxPool', nn.maxPool({ kernel: 3, stride: 2, padding: { top: 1, right: 2 } }), image],
  ['avgPool', nn.avgPool({ kernel: 3, stride: 2, padding: 1 }), image],
  ['avgPool without pad', nn.avgPool({ kernel: 3, padding: 1, countIncludePad: false }), image],
  ['maxPool1d', nn.maxPool1d({ kernel: 3, padding: 'same' }), sequence],
  ['avgPool1d', nn.avgPool1d({ kernel: 2 }), sequence],
  ['globalAvgPool', nn.globalAvgPool(), image],
  ['globalMaxPool', nn.globalMaxPool(), image],
  ['adaptiveAvgPool', nn.adaptiveAvgPool([3, 2]), image],
  ['adaptiveMaxPool', nn.adaptiveMaxPool([3, 4]), image],
  ['adaptiveAvgPool of equal bins', nn.adaptiveAvgPool([7, 3]), image],
  ['upsample', nn.upsample({ scale: [2, 3] }), image],
  ['upsample bilinear', nn.upsample({ scale: 2, mode: 'bilinear' }), image],
  ['upsample aligned', nn.upsample({ scale: 2, mode: 'bilinear', alignCorners: true }), image],
  ['upsample to a size', nn.upsample({ size: [10, 7] }), image],
  ['upsample bilinear to a size', nn.upsample({ size: [10, 4], mode: 'bilinear' }), image],
  ['pad', nn.pad({ top: 1, left: 2, right: 3 }), image],
  ['slice', nn.slice({ rows: [1, 4], columns: [2, 6], channels: [1, 3] }), image],
  ['slice of a vector', nn.slice({ channels: [1, 3] }), [5]],
  ['reshape', nn.sequential([nn.reshape([6, 7, 4]), nn.conv2d(4, 2, { kernel: 2 })]), image],
  ['flatten', nn.sequential([nn.flatten(), nn.linear(168, 3)]), image],
  ['batchNorm', nn.batchNorm(4), image],
  ['batchNorm frozen', nn.batchNorm(4, { frozen: true }), sequence],
  ['batchNorm of vectors', nn.batchNorm(5, { affine: false }), [5]],
  ['batchRenorm', nn.batchRenorm(4), image],
  ['instanceNorm', nn.instanceNorm(4, { affine: true }), image],
  ['instanceNorm by running', nn.instanceNorm(4, { trackRunningStats: true }), image],
  ['groupNorm', nn.groupNorm(2, 4), image],
  ['groupNorm of vectors', nn.groupNorm(2, 6, { affine: false }), [6]],
  ['layerNorm', nn.layerNorm([6, 4]), image],
  ['layerNorm plain', nn.layerNorm(5, { affine: false }), [5]],
  ['rmsNorm', nn.rmsNorm([6, 4]), image],
  ['filterResponseNorm', nn.filterResponseNorm(4), image],
  ['filterResponseNorm without tlu', nn.filterResponseNorm(4, { tlu: false }), image],
  ['dropout', nn.sequential([nn.dropout(), nn.dropout2d(), nn.dropPath(0.5), nn.relu()]), image],
  ['rnn', nn.rnn(4, 3, { nonlinearity: 'relu' }), sequence],
  ['rnn of a layer', nn.rnn(4, 3, { norm: 'layer', returnSequence: true }), sequence],
  ['gru', nn.gru(4, 3), sequence],
  ['gru by batch', nn.gru(4, 3, { norm: 'batch', eps: 0.01 }), sequence],
  ['lstm', nn.lstm(4, 3, { returnSequence: true }), sequence],
  ['lstm by batch', nn.lstm(4, 3, { norm: 'batch', eps: 0.01, bias: false }), sequence],
  [
    'a graph of joins',
    nn.graph((x) => {
      const y = x.apply(nn.conv2d(4, 4, { kernel: 1 }), nn.layerNorm(4));
      const gate = nn.add(x, y).apply(nn.globalAvgPool(), nn.linear(4, 4), nn.sigmoid());
      return nn.concat([nn.multiply(y, gate), nn.multiply(x, y), x.apply(nn.rmsNorm(4))]);
    }),
    image,
  ],
  [
    'a residual',
    nn.residual(nn.conv2d(4, 6, { kernel: 1 }), nn.conv2d(4, 6, { kernel: 1 })),
    image,
  ],
];
