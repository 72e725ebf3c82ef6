// One training step of one device as a list of tasks in the order of issue: the cost of each for
// its host and its device, and where statistics are exchanged. This file also defines how many
// passes over the activations each normalization makes.

import type { CollectiveKind } from './collectives.ts';
import { computeUs, type Device } from './devices.ts';
import type { Network, OperationCost } from './network.ts';

export const NORMS = ['BN', 'SyncBN', 'GroupNorm'] as const;
/** The normalization used in the whole network. `BN` is local to each device. */
export type NormName = (typeof NORMS)[number];

export interface Task {
  /** Calls that the host issues. */
  readonly calls: number;
  /** Compute time on the device. */
  readonly deviceUs: number;
  /** Numbers that this device contributes to an exchange of statistics; 0 for none. */
  readonly statistics: number;
  /** Gradient bytes of parameters whose gradient is complete after this task. */
  readonly gradientBytes: number;
}

export interface StepTasks {
  readonly forward: readonly Task[];
  readonly backward: readonly Task[];
  readonly update: Task;
}

/** How the statistics of the forward pass are exchanged: gathered from all devices, as in PyTorch,
 * or summed along the way. In backward they are always summed. */
export type StatisticsKind = CollectiveKind;

/** Gradients are float32 in mixed precision, too. */
const GRADIENT_BYTES = 4;
/** For a weight: w, its gradient and its momentum are read, w and the momentum written. */
const UPDATE_PASSES = 5;
/** A normalization's passes over the activations: forward reads x for the moments, then reads x
 * again and writes y; backward reads x and dy for two sums, then reads both again and writes dx. */
const FORWARD_PASSES = { moments: 1, normalize: 2 } as const;
const BACKWARD_PASSES = { sums: 2, inputGradient: 3 } as const;
/** A copy to another layout reads and writes. */
const COPY_PASSES = 2;

export interface TaskOptions {
  readonly norm: NormName;
  /** Samples per device in a step. */
  readonly replicaBatch: number;
}

export function stepTasks(network: Network, device: Device, options: TaskOptions): StepTasks {
  const { operations } = network;
  const inOrder = (tasksOf: TasksOf): Task[] =>
    operations.flatMap((operation) => tasksOf(operation, device, options));
  const parameters = operations.reduce((sum, operation) => sum + operation.parameters, 0);
  return {
    forward: inOrder(forwardTasks),
    backward: operations
      .toReversed()
      .flatMap((operation) => backwardTasks(operation, device, options)),
    update: {
      ...task(computeUs(device, 0, UPDATE_PASSES * GRADIENT_BYTES * parameters)),
      gradientBytes: 0,
    },
  };
}

type TasksOf = (operation: OperationCost, device: Device, options: TaskOptions) => readonly Task[];

function task(deviceUs: number): Task {
  return { calls: 1, deviceUs, statistics: 0, gradientBytes: 0 };
}

function forwardTasks(operation: OperationCost, device: Device, options: TaskOptions): Task[] {
  const { bytesPerElement } = device;
  const { replicaBatch, norm } = options;
  if (operation.normChannels > 0) {
    const passUs = passesUs(operation, device, replicaBatch);
    const { moments, normalize } = FORWARD_PASSES;
    if (norm !== 'SyncBN') {
      return [task(passUs(moments + normalize + copies(device, norm)))];
    }
    const exchange: Task = {
      calls: device.exchangeCalls.forward,
      deviceUs: 0,
      // Mean and spread of each channel, and the number of values.
      statistics: 2 * operation.normChannels + 1,
      gradientBytes: 0,
    };
    return [
      task(passUs(moments)),
      exchange,
      { ...task(passUs(normalize)), calls: device.secondPassCalls },
    ];
  }
  if (operation.elementsForward === 0) return [];
  const elements = operation.elementsForward * replicaBatch + operation.parameters;
  const flops = operation.flopsForward * replicaBatch;
  return [task(computeUs(device, flops, elements * bytesPerElement))];
}

function backwardTasks(operation: OperationCost, device: Device, options: TaskOptions): Task[] {
  const { replicaBatch, norm } = options;
  const { parameters, needsInputGradient } = operation;
  const gradientBytes = parameters * GRADIENT_BYTES;
  if (operation.normChannels > 0) {
    const passUs = passesUs(operation, device, replicaBatch);
    const { sums, inputGradient } = BACKWARD_PASSES;
    // Gradients of weight and bias are sums over this device's samples alone.
    if (!needsInputGradient) return [{ ...task(passUs(sums)), gradientBytes }];
    if (norm !== 'SyncBN') {
      const passes = sums + inputGradient + copies(device, norm);
      return [{ ...task(passUs(passes)), gradientBytes }];
    }
    const exchange: Task = {
      calls: device.exchangeCalls.backward,
      deviceUs: 0,
      statistics: 2 * operation.normChannels,
      gradientBytes: 0,
    };
    return [
      task(passUs(sums)),
      exchange,
      { ...task(passUs(inputGradient)), calls: device.secondPassCalls, gradientBytes },
    ];
  }
  if (operation.elementsBackward === 0) return [];
  const weightPasses = needsInputGradient ? 2 : 1;
  const elements = operation.elementsBackward * replicaBatch + weightPasses * parameters;
  const flops = operation.flopsBackward * replicaBatch;
  return [{ ...task(computeUs(device, flops, elements * device.bytesPerElement)), gradientBytes }];
}

/** Extra passes of a normalization because of its layout. */
function copies(device: Device, norm: NormName): number {
  return norm === 'GroupNorm' && device.groupNormCopies ? COPY_PASSES : 0;
}

/** The time of passes over a normalization's activations. */
function passesUs(
  operation: OperationCost,
  device: Device,
  replicaBatch: number,
): (passes: number) => number {
  const bytes = operation.elementsForward * replicaBatch * device.bytesPerElement;
  return (passes) => computeUs(device, 0, passes * bytes);
}
