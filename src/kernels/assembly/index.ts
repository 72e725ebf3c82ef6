// Everything that the kernels export. The interfaces are in ../abi, the plain twins in
// ../reference.

export * from './conv';
export * from './depthwise';
export * from './fold';
export * from './images';
export * from './loss';
export * from './norm';
export * from './optimizer';
export * from './pointwise';
export * from './pool';
export * from './sampleNorm';
