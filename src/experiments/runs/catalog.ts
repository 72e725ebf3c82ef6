// The experiments by name.

import type { Experiment } from '../engine/experiment.ts';
import { convergence } from './convergence.ts';
import { covariateShift } from './covariateShift.ts';
import { fineTuning } from './fineTuning.ts';
import { gradientFlow } from './gradientFlow.ts';
import { learningRate } from './learningRate.ts';
import { nonIid } from './nonIid.ts';
import { overhead } from './overhead.ts';
import { peers } from './peers.ts';
import { precise } from './precise.ts';
import { regularization } from './regularization.ts';
import { segmentation } from './segmentation.ts';
import { sequence } from './sequence.ts';
import { smallBatch } from './smallBatch.ts';
import { style } from './style.ts';
import { syncGroup } from './syncGroup.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  smallBatch,
  syncGroup,
  precise,
  nonIid,
  convergence,
  learningRate,
  gradientFlow,
  covariateShift,
  regularization,
  overhead,
  sequence,
  segmentation,
  fineTuning,
  style,
  peers,
];
