import { describe, expect, it } from 'vitest';
import { collectiveUs } from '../../src/simulate/collectives.ts';
import { netModel } from '../../src/simulate/nets.ts';
import { describeNetwork, type Network, type OperationCost } from '../../src/simulate/network.ts';
import { presetJob } from '../../src/simulate/reports.ts';
import { type Job, predictForwardMs, predictStep } from '../../src/simulate/step.ts';
import { NORMS } from '../../src/simulate/tasks.ts';

const resnet50 = describeNetwork('resnet50', netModel('resnet50'), [224, 224, 3]);

const nothing: OperationCost = {
  path: 'layer',
  normChannels: 0,
  needsInputGradient: true,
  flopsForward: 0,
  flopsBackward: 0,
  elementsForward: 0,
  elementsBackward: 0,
  parameters: 0,
};
const networkOf = (...operations: Partial<OperationCost>[]): Network => ({
  name: 'net',
  inputShape: [1],
  operations: operations.map((operation) => ({ ...nothing, ...operation })),
});
/** 1 TFLOP/s, so that 1e6 operations take a microsecond; memory and calls cost nothing. */
const plainJob = (network: Network, change: Partial<Job['device']> = {}): Job => {
  const job = presetJob('v100', network, 1);
  const rates = { teraflops: 1, flopsShare: 1, gigabytesPerSecond: 1e12, callUs: 0 };
  return { ...job, device: { ...job.device, ...rates, ...change } };
};
const MIB = 2 ** 20;

describe('predictStep', () => {
  it('splits a step into parts that add up, for all norms and counts', () => {
    for (const norm of NORMS) {
      for (const devices of [1, 2, 8, 64, 1024]) {
        const job = presetJob('v100-amp', resnet50, 32);
        const { ms, computeMs, statisticsMs, gradientsMs } = predictStep(job, norm, devices);
        expect(computeMs + statisticsMs + gradientsMs).toBeCloseTo(ms, 9);
        expect(statisticsMs > 0).toBe(norm === 'SyncBN' && devices > 1);
        expect(gradientsMs > 0).toBe(devices > 1);
      }
    }
  });

  it('of SyncBN is that of BN on one device, and for groups of one', () => {
    const job = presetJob('v100', resnet50, 32);
    expect(predictStep(job, 'SyncBN', 1).ms).toBe(predictStep(job, 'BN', 1).ms);
    const alone = { ...job, groupSize: 1 };
    expect(predictStep(alone, 'SyncBN', 64).ms).toBe(predictStep(job, 'BN', 64).ms);
  });

  it('costs less for statistics of fewer devices', () => {
    const job = presetJob('a100', resnet50, 32);
    const ofGroups = [2, 8, 64, 1024].map(
      (groupSize) => predictStep({ ...job, groupSize }, 'SyncBN', 1024).ms,
    );
    expect(ofGroups).toEqual(ofGroups.toSorted((a, b) => a - b));
    expect(ofGroups[0]).toBeLessThan(ofGroups[3]!);
  });

  it('overlaps gradients with the backward pass of earlier layers', () => {
    const parameters = (25 * MIB) / 4;
    // The last layer's bucket is sent while the first layer's backward runs.
    const long = { flopsBackward: 1e12, elementsBackward: 1 };
    const network = networkOf(long, { ...long, flopsBackward: 0, parameters });
    const job = plainJob(network);
    expect(predictStep(job, 'BN', 8).gradientsMs).toBeCloseTo(0, 9);
    const late = { ...job, device: { ...job.device, overlapsGradients: false } };
    const call = { kind: 'all-reduce', bytes: 25 * MIB } as const;
    const sendMs = collectiveUs(call, 8, job.cluster) / 1000;
    expect(predictStep(late, 'BN', 8).gradientsMs).toBeCloseTo(sendMs, 9);
  });

  it('lets statistics wait for a bucket in transit', () => {
    const bucket = { parameters: (25 * MIB) / 4, elementsBackward: 1 };
    const norm = { normChannels: 4, elementsForward: 1 };
    // Backward reaches the bucket first, and the norm immediately after it.
    const job = plainJob(networkOf({ flopsForward: 1, elementsForward: 1 }, norm, bucket));
    const { gradientsMs } = predictStep(job, 'SyncBN', 8);
    const send = collectiveUs({ kind: 'all-reduce', bytes: 25 * MIB }, 8, job.cluster) / 1000;
    expect(gradientsMs).toBeCloseTo(send, 3);
  });

  it('costs one exchange each way per norm, and none backward before the first parameters', () => {
    const norm = { normChannels: 16, elementsForward: 1 };
    const free = { exchangeCalls: { forward: 0, backward: 0 } };
    const exchanged = (needsInputGradient: boolean): number => {
      const job = plainJob(networkOf({ ...norm, needsInputGradient }), free);
      return predictStep(job, 'SyncBN', 8).statisticsMs * 1000;
    };
    const { cluster } = plainJob(networkOf(norm));
    const forward = collectiveUs({ kind: 'all-gather', bytes: 4 * 33 }, 8, cluster);
    const backward = collectiveUs({ kind: 'all-reduce', bytes: 4 * 32 }, 8, cluster);
    expect(exchanged(true)).toBeCloseTo(forward + backward, 6);
    expect(exchanged(false)).toBeCloseTo(forward, 6);
  });

  it('lets the host run ahead of a busy device, and shows its calls for an idle one', () => {
    const layer = {
      flopsForward: 1e9,
      elementsForward: 1,
      flopsBackward: 1e9,
      elementsBackward: 1,
    };
    const network = networkOf(...new Array<object>(10).fill(layer));
    const busy = plainJob(network, { callUs: 100 });
    expect(predictStep(busy, 'BN', 1).ms).toBeCloseTo(20, 6);
    const idle = plainJob(network, { callUs: 5000 });
    // Ten calls forward, ten backward, one update.
    expect(predictStep(idle, 'BN', 1).ms).toBeCloseTo(21 * 5, 6);
    const synchronous = plainJob(network, { callUs: 100, isAsync: false });
    expect(predictStep(synchronous, 'BN', 1).ms).toBeCloseTo(20 + 2.1, 6);
  });

  it('of GroupNorm copies to another layout if the device requires it', () => {
    const network = networkOf({ normChannels: 4, elementsForward: 1e9 });
    const change = { gigabytesPerSecond: 1000, memoryShare: 1, bytesPerElement: 4 };
    const ms = (groupNormCopies: boolean): number =>
      predictStep(plainJob(network, { ...change, groupNormCopies }), 'GroupNorm', 1).ms;
    // 3 passes forward and 5 backward of 4 ms each, with copies 2 more each way.
    expect(ms(false)).toBeCloseTo(8 * 4, 3);
    expect(ms(true)).toBeCloseTo(12 * 4, 3);
  });

  it('computes more slowly if devices of a node slow each other down', () => {
    const network = networkOf({ flopsForward: 1e9, elementsForward: 1 });
    const job = plainJob(network, { contention: 1.5 });
    const [one, two] = [1, 2].map((devices) => predictStep(job, 'BN', devices).computeMs);
    expect(two! / one!).toBeCloseTo(1.5, 6);
    const apart = { ...job, cluster: { ...job.cluster, devicesPerNode: 1 } };
    expect(predictStep(apart, 'BN', 2).computeMs).toBeCloseTo(one!, 9);
  });
});

describe('predictForwardMs', () => {
  it('shows the host of a synchronized norm, which cannot run ahead', () => {
    const job = presetJob('v100', resnet50, 4);
    const ratio = predictForwardMs(job, 'SyncBN', 8) / predictForwardMs(job, 'BN', 8);
    expect(ratio).toBeGreaterThan(3);
    const unblocked = { ...job, device: { ...job.device, callUs: 0 } };
    expect(predictForwardMs(unblocked, 'SyncBN', 8)).toBeLessThan(predictForwardMs(job, 'BN', 8));
  });
});
