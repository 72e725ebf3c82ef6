// What a run tells, made up.

import type { Diagnostics } from '../../src/observe/diagnostics.ts';
import type { Progress } from '../../src/runtime/progress.ts';

/** After a step of two epochs with 100 samples in four steps each. */
export function progress(step: number, loss: number, more: Partial<Progress> = {}): Progress {
  return {
    kind: 'progress',
    epoch: Math.floor(step / 4) + 1,
    epochs: 2,
    step,
    totalSteps: 8,
    samples: Math.min(100, (((step - 1) % 4) + 1) * 30),
    loss,
    headLosses: {},
    totalLoss: loss,
    accuracy: loss / 10,
    learningRate: 0.1 / (step + 1),
    imagesPerSecond: 100,
    seconds: step,
    secondsLeft: 8 - step,
    diagnostics: undefined,
    validation: undefined,
    best: undefined,
    stopsEarly: false,
    ...more,
  };
}

/** A snapshot of one layer. */
export function snapshot(step: number, meanShift: number): Diagnostics {
  const worst = {
    replica: 1,
    meanShift,
    varianceFactor: 1 + meanShift,
    conditioning: 2,
    deadShare: 0,
    nonFinite: 0,
  };
  return { step, layers: [{ path: '1.batchNorm', worst, replicas: [] }] };
}
