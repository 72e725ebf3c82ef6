// The binary interface of the kernels: one interface for each file of `assembly`, described in
// `abi`. All arguments are numbers; names that end in `Ptr` are byte addresses in the arena.

import type { AdaptivePoolKernels } from './abi/adaptivePool.ts';
import type { BatchRenormKernels } from './abi/batchRenorm.ts';
import type { ConvKernels } from './abi/conv.ts';
import type { DepthwiseKernels } from './abi/depthwise.ts';
import type { DropKernels } from './abi/drop.ts';
import type { FilterResponseNormKernels } from './abi/filterResponseNorm.ts';
import type { FiniteKernels } from './abi/finite.ts';
import type { FoldKernels } from './abi/fold.ts';
import type { FrozenNormKernels } from './abi/frozenNorm.ts';
import type { GruKernels } from './abi/gru.ts';
import type { ImageKernels } from './abi/images.ts';
import type { JoinKernels } from './abi/joins.ts';
import type { LossKernels } from './abi/loss.ts';
import type { LstmKernels } from './abi/lstm.ts';
import type { MomentsKernels } from './abi/moments.ts';
import type { NormKernels } from './abi/norm.ts';
import type { NormalizeKernels } from './abi/normalize.ts';
import type { OptimizerKernels } from './abi/optimizer.ts';
import type { PointwiseKernels } from './abi/pointwise.ts';
import type { PoolKernels } from './abi/pool.ts';
import type { PreluKernels } from './abi/prelu.ts';
import type { RampKernels } from './abi/ramp.ts';
import type { RmsNormKernels } from './abi/rmsNorm.ts';
import type { SampleNormKernels } from './abi/sampleNorm.ts';
import type { SoftmaxKernels } from './abi/softmax.ts';
import type { UpsampleKernels } from './abi/upsample.ts';
import type { WinogradKernels } from './abi/winograd.ts';

export interface KernelExports
  extends AdaptivePoolKernels,
    BatchRenormKernels,
    ConvKernels,
    DepthwiseKernels,
    DropKernels,
    FilterResponseNormKernels,
    FiniteKernels,
    FoldKernels,
    FrozenNormKernels,
    GruKernels,
    ImageKernels,
    JoinKernels,
    LossKernels,
    LstmKernels,
    MomentsKernels,
    NormKernels,
    NormalizeKernels,
    OptimizerKernels,
    PointwiseKernels,
    PoolKernels,
    PreluKernels,
    RampKernels,
    RmsNormKernels,
    SampleNormKernels,
    SoftmaxKernels,
    UpsampleKernels,
    WinogradKernels {}
