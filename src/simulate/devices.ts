// Device models: peak rates from data sheets, the fraction of them that training attains, and the
// software cost of each call. The fractions are fitted to published throughputs of ResNet-50 on ONE
// device, so figures for many devices are predictions.

import type { LinkName } from './links.ts';

export interface Device {
  readonly name: string;
  /** Peak rate of the arithmetic that convolutions use. */
  readonly teraflops: number;
  /** The fraction of it that convolutions and matrix products attain. */
  readonly flopsShare: number;
  /** Peak bandwidth of the device's memory. */
  readonly gigabytesPerSecond: number;
  /** The fraction of it that passes over activations attain. */
  readonly memoryShare: number;
  /** Bytes of a number in an activation: 4 for float32 and TF32, 2 for mixed precision. */
  readonly bytesPerElement: number;
  /** Bytes of a number in an exchange of statistics. */
  readonly bytesPerStatistic: number;
  /** The host's time to issue one operation. */
  readonly callUs: number;
  /** Whether the host runs ahead of the device, as with a GPU. If not, its calls are part of the
   * device's time. */
  readonly isAsync: boolean;
  /** Calls with work on the device that a synchronized batch norm makes in addition to its
   * passes. */
  readonly exchangeCalls: { readonly forward: number; readonly backward: number };
  /** Calls of a norm's second pass if there is an exchange between the two. */
  readonly secondPassCalls: number;
  /** Whether forward waits on the host for the gathered statistics, so that the host cannot run
   * ahead of the device. */
  readonly blocksHost: boolean;
  /** Whether gradient buckets are sent while backward still runs. */
  readonly overlapsGradients: boolean;
  /** Whether GroupNorm copies its input to another layout first, forward and backward. */
  readonly groupNormCopies: boolean;
  /** The factor by which a device takes longer when the others of its node compute, too, until the
   * slowest one finishes; at least 1. */
  readonly contention: number;
  readonly source: string;
}

/** The machine of a preset. */
export interface DeviceHome {
  readonly devicesPerNode: number;
  readonly intra: LinkName;
  readonly inter: LinkName;
  readonly cards: number;
}

export const DEVICE_NAMES = [
  'v100',
  'v100-amp',
  'a100',
  'a100-amp',
  'h100',
  'h100-amp',
  'measured',
] as const;
export type DeviceName = (typeof DEVICE_NAMES)[number];
export type PresetName = Exclude<DeviceName, 'measured'>;

/** What an operation of PyTorch's eager mode costs its host. NVIDIA DeepLearningExamples, ResNet-50
 * v1.5, FP32 inference on a V100 of a DGX-1: 10.37 ms for 1 image, 10.24 ms for 2, 10.46 ms for 4,
 * so the device is not the bottleneck. A forward pass is 174 operations. */
const EAGER_CALL_US = 10_370 / 174;

/** The calls of torch/nn/modules/_functions.py in addition to its two passes: forward fills the
 * count, joins mean, invstd and count, gathers, compares, indexes three times and merges; backward
 * joins and reduces. Views are not counted. */
const TORCH_EXCHANGE_CALLS = { forward: 8, backward: 2 } as const;

/** The usual fraction of a GPU's peak in a stream benchmark: Jia et al. 2018, "Dissecting the
 * NVIDIA Volta GPU architecture", measure 750 of 900 GB/s on a V100 (0.83). */
const GPU_MEMORY_SHARE = 750 / 900;

const TORCH = {
  memoryShare: GPU_MEMORY_SHARE,
  bytesPerStatistic: 4,
  callUs: EAGER_CALL_US,
  isAsync: true,
  exchangeCalls: TORCH_EXCHANGE_CALLS,
  secondPassCalls: 1,
  // Indexing by a mask asks the device how many elements are left, so the host waits for it.
  blocksHost: true,
  overlapsGradients: true,
  contention: 1,
} as const;

/** float32 and TF32 keep activations as [N, C, H, W]; mixed precision uses channels last, which
 * PyTorch's GroupNorm on a GPU copies (aten/src/ATen/native/group_norm.cpp). */
const FULL = { bytesPerElement: 4, groupNormCopies: false } as const;
const MIXED = { bytesPerElement: 2, groupNormCopies: true } as const;

/** A published throughput of ResNet-50 v1.5 on one device, and its batch size. */
export interface PublishedThroughput {
  readonly imagesPerSecond: number;
  readonly replicaBatch: number;
  /** The same for 8 devices in one node. */
  readonly imagesPerSecondOf8: number;
}

/** NVIDIA DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5/README.md, container
 * 21.03: DGX-1 with 8 V100 16 GB, DGX A100 with 8 A100 80 GB. */
export const PUBLISHED: Readonly<Partial<Record<PresetName, PublishedThroughput>>> = {
  v100: { imagesPerSecond: 367, replicaBatch: 128, imagesPerSecondOf8: 2855 },
  'v100-amp': { imagesPerSecond: 1200, replicaBatch: 256, imagesPerSecondOf8: 8322 },
  a100: { imagesPerSecond: 938, replicaBatch: 256, imagesPerSecondOf8: 7248 },
  'a100-amp': { imagesPerSecond: 2470, replicaBatch: 256, imagesPerSecondOf8: 16_621 },
};

const FITTED = 'share fitted to the published throughput of one device';
const TAKEN_OVER = 'share taken from the A100';

export const DEVICES: Readonly<Record<PresetName, Device>> = {
  v100: {
    ...TORCH,
    ...FULL,
    name: 'v100',
    teraflops: 15.7,
    flopsShare: 0.861,
    gigabytesPerSecond: 900,
    source: `V100 SXM2 data sheet, FP32; ${FITTED}`,
  },
  'v100-amp': {
    ...TORCH,
    ...MIXED,
    name: 'v100-amp',
    teraflops: 125,
    flopsShare: 0.564,
    gigabytesPerSecond: 900,
    source: `V100 SXM2 data sheet, tensor cores; ${FITTED}`,
  },
  a100: {
    ...TORCH,
    ...FULL,
    name: 'a100',
    teraflops: 156,
    flopsShare: 0.237,
    gigabytesPerSecond: 2039,
    source: `A100 80 GB SXM data sheet, TF32; ${FITTED}`,
  },
  'a100-amp': {
    ...TORCH,
    ...MIXED,
    name: 'a100-amp',
    teraflops: 312,
    flopsShare: 0.403,
    gigabytesPerSecond: 2039,
    source: `A100 80 GB SXM data sheet, FP16; ${FITTED}`,
  },
  h100: {
    ...TORCH,
    ...FULL,
    name: 'h100',
    teraflops: 494.7,
    flopsShare: 0.237,
    gigabytesPerSecond: 3350,
    source: `H100 SXM data sheet, TF32 dense; ${TAKEN_OVER}`,
  },
  'h100-amp': {
    ...TORCH,
    ...MIXED,
    name: 'h100-amp',
    teraflops: 989.4,
    flopsShare: 0.403,
    gigabytesPerSecond: 3350,
    source: `H100 SXM data sheet, FP16 dense; ${TAKEN_OVER}`,
  },
};

const DGX1: DeviceHome = { devicesPerNode: 8, intra: 'nvlink2', inter: 'ib-edr', cards: 4 };
const DGX_A100: DeviceHome = { devicesPerNode: 8, intra: 'nvlink3', inter: 'ib-hdr', cards: 8 };
const DGX_H100: DeviceHome = { devicesPerNode: 8, intra: 'nvlink4', inter: 'ib-ndr', cards: 8 };

/** The usual machine of a preset: DGX-1, DGX A100 or DGX H100. */
export const HOMES: Readonly<Record<PresetName, DeviceHome>> = {
  v100: DGX1,
  'v100-amp': DGX1,
  a100: DGX_A100,
  'a100-amp': DGX_A100,
  h100: DGX_H100,
  'h100-amp': DGX_H100,
};

/** Microseconds for floating-point operations and bytes: the larger of both times (the roofline of
 * Williams, Waterman and Patterson 2009). */
export function computeUs(device: Device, flops: number, bytes: number): number {
  const arithmetic = flops / (device.teraflops * device.flopsShare * 1e6);
  const memory = bytes / (device.gigabytesPerSecond * device.memoryShare * 1e3);
  return Math.max(arithmetic, memory);
}
