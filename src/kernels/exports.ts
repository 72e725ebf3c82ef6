// The binary interface of the kernels: one interface for each file of `assembly`, described in
// `abi`. All arguments are numbers; names that end in `Ptr` are byte addresses in the arena.

import type { ConvKernels } from './abi/conv.ts';
import type { DepthwiseKernels } from './abi/depthwise.ts';
import type { FoldKernels } from './abi/fold.ts';
import type { ImageKernels } from './abi/images.ts';
import type { LossKernels } from './abi/loss.ts';
import type { NormKernels } from './abi/norm.ts';
import type { OptimizerKernels } from './abi/optimizer.ts';
import type { PointwiseKernels } from './abi/pointwise.ts';
import type { PoolKernels } from './abi/pool.ts';
import type { SampleNormKernels } from './abi/sampleNorm.ts';

export interface KernelExports
  extends ConvKernels,
    DepthwiseKernels,
    FoldKernels,
    ImageKernels,
    LossKernels,
    NormKernels,
    OptimizerKernels,
    PointwiseKernels,
    PoolKernels,
    SampleNormKernels {}
