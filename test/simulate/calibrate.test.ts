import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/base/errors.ts';
import { medianOf } from '../../src/base/median.ts';
import {
  type CalibrationTimes,
  calibrate,
  calibratedJob,
  checkCalibration,
  scaleToStep,
} from '../../src/simulate/calibrate.ts';
import { netModel } from '../../src/simulate/nets.ts';
import { describeNetwork, totalsOf } from '../../src/simulate/network.ts';
import { stragglersOf } from '../../src/simulate/probe.ts';
import { presetJob } from '../../src/simulate/reports.ts';
import { predictStep } from '../../src/simulate/step.ts';

const refnet = describeNetwork('refnet', netModel('refnet'), [28, 28, 1]);
const BATCH = 32;
const { parameters } = totalsOf(refnet);

/** A machine of 0.5 ms a step and 0.1 ms a sample, slowed down by a half when both cores work. */
const times: CalibrationTimes = {
  oneLocal: 0.5 + 64 * 0.1,
  oneLocalHalf: 0.5 + 32 * 0.1,
  alone: 4,
  together: 6,
  // 1 GB/s through shared memory: two barriers and the bytes.
  probe: {
    barrierUs: 2,
    allReduceUs: 4 + parameters * 4e-3,
    copyUsPerNumber: 0.0004,
    stragglers: 1,
  },
};

describe('calibrate', () => {
  const calibration = calibrate(refnet, BATCH, times);
  const job = calibratedJob(refnet, BATCH, calibration);

  it('reproduces both steps that it was made from', () => {
    const step = (replicaBatch: number): number =>
      predictStep({ ...job, replicaBatch }, 'BN', 1).ms;
    expect(step(64)).toBeCloseTo(times.oneLocal, 6);
    // Weights are read once a step, whatever the batch.
    expect(Math.abs(step(32) / times.oneLocalHalf - 1)).toBeLessThan(0.01);
  });

  it('derives the link from barrier and all-reduce, and contention from two runs at once', () => {
    const { device, cluster } = calibration;
    expect(cluster.intra).toMatchObject({ kind: 'memory', latencyUs: 2 });
    expect(cluster.intra.gigabytesPerSecond).toBeCloseTo(1, 9);
    expect(device.contention).toBe(1.5);
    const probe = { ...times.probe, stragglers: 1.1 };
    const waiting = calibrate(refnet, BATCH, { ...times, probe });
    expect(waiting.device.contention).toBeCloseTo(1.5 * 1.1, 12);
    const two = predictStep(job, 'BN', 2);
    const one = predictStep(job, 'BN', 1);
    const callsMs = 0.5;
    expect(two.computeMs).toBeCloseTo(callsMs + (one.ms - callsMs) * 1.5, 6);
    expect(two.gradientsMs * 1000).toBeCloseTo(4 + parameters * 4e-3, 6);
    // Three norms, forward each one barrier, backward too, and their float64 statistics.
    const bytesUs = [16, 32, 32].reduce((sum, c) => sum + 8 * (4 * c + 1) * 1e-3, 0);
    expect(predictStep(job, 'SyncBN', 2).statisticsMs * 1000).toBeCloseTo(6 * 2 + bytesUs, 6);
  });

  it('survives noise: a half batch that was too fast, a slow copy, contention below 1', () => {
    const noisy = calibrate(refnet, BATCH, {
      ...times,
      oneLocalHalf: times.oneLocal * 0.3,
      alone: 4,
      together: 3.9,
      probe: { barrierUs: 10, allReduceUs: 5, copyUsPerNumber: 1, stragglers: 1 },
    });
    expect(noisy.device.callUs).toBe(0);
    expect(noisy.device.contention).toBe(1);
    const noisyJob = calibratedJob(refnet, 2 * BATCH, noisy);
    expect(predictStep(noisyJob, 'BN', 1).ms).toBeCloseTo(times.oneLocal, 6);
    expect(predictStep(noisyJob, 'SyncBN', 2).statisticsMs).toBeGreaterThan(0);
  });

  it.each([1, 1.5])('refuses half a batch that took %d times the whole', (factor) => {
    const noisy = { ...times, oneLocalHalf: times.oneLocal * factor };
    expect(() => calibrate(refnet, BATCH, noisy)).toThrow(RunError);
    expect(() => calibrate(refnet, BATCH, noisy)).toThrow(/half the batch took .* more --rounds/);
  });

  it('has no error if the machine matches the model', () => {
    const one = (norm: 'BN' | 'SyncBN' | 'GroupNorm'): number =>
      predictStep({ ...job, replicaBatch: 64 }, norm, 1).ms;
    const two = (norm: 'BN' | 'SyncBN' | 'GroupNorm'): number => predictStep(job, norm, 2).ms;
    const measured = {
      oneLocal: one('BN'),
      oneSync: one('SyncBN'),
      oneGroup: one('GroupNorm'),
      twoLocal: two('BN'),
      twoSync: two('SyncBN') * 2,
      twoGroup: two('GroupNorm'),
    };
    const checks = checkCalibration(refnet, BATCH, calibration, measured);
    for (const { what, error } of checks) {
      const isSlow = /sync.*2 workers|2 workers.*sync/.test(what);
      expect([what, error]).toEqual([what, expect.closeTo(isSlow ? -0.5 : 0, 9)]);
    }
    expect(checks).toHaveLength(9);
  });
});

describe('scaleToStep', () => {
  it('makes the local step of one device take the measured time', () => {
    const job = presetJob('v100', refnet, 512);
    const stepMs = (device: typeof job.device): number =>
      predictStep({ ...job, device }, 'BN', 1).ms;
    expect(stepMs(scaleToStep(job.device, 50, stepMs)!)).toBeCloseTo(50, 6);
    expect(scaleToStep(job.device, 0.01, stepMs)).toBeUndefined();
  });
});

describe('stragglersOf', () => {
  it('is 1 if all intervals take the same time on that thread', () => {
    const rounds = [
      [2, 2],
      [2, 2],
    ];
    expect(stragglersOf([rounds, rounds.map((stretches) => stretches.map((ms) => ms * 3))])).toBe(
      1,
    );
  });

  it('counts the slower thread of each interval, even if both are interrupted equally', () => {
    const one = [[2, 1, 1, 1, 1]];
    const other = [[1, 1, 2, 1, 1]];
    // 2 + 1 + 2 + 1 + 1 over 1.5 + 1 + 1.5 + 1 + 1.
    expect(stragglersOf([one, other])).toBeCloseTo(7 / 6, 12);
    // Both at the same time cost nobody a wait.
    expect(stragglersOf([one, one])).toBe(1);
  });

  it('is the median of the rounds', () => {
    const quiet = [1, 1, 1];
    const still = [quiet, quiet, quiet, quiet, quiet];
    expect(stragglersOf([still, [[9, 1, 1], quiet, quiet, quiet, quiet]])).toBe(1);
  });
});

describe('medianOf', () => {
  it('is the middle value, or the mean of both', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 3, 2])).toBe(2.5);
    expect(medianOf([7])).toBe(7);
  });
});
