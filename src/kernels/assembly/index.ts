// Everything that the kernels export. The interfaces are in ../abi, the plain twins in
// ../reference.

export * from './adaptivePool';
export * from './batchRenorm';
export * from './conv';
export * from './convPack';
export * from './convWeightGrad';
export * from './depthwise';
export * from './depthwiseWeightGrad';
export * from './drop';
export * from './filterResponseNorm';
export * from './finite';
export * from './fold';
export * from './foldedGrad';
export * from './frozenNorm';
export * from './gru';
export * from './images';
export * from './joins';
export * from './loss';
export * from './lstm';
export * from './moments';
export * from './norm';
export * from './normalize';
export * from './normSums';
export * from './optimizer';
export * from './pointwise';
export * from './pool';
export * from './prelu';
export * from './ramp';
export * from './rmsNorm';
export * from './sampleNorm';
export * from './softmax';
export * from './upsample';
export * from './winogradGradProducts';
export * from './winogradProducts';
export * from './winogradTiles';
export * from './winogradWeights';
