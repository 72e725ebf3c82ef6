// Compares the model with what others report about the speed of ResNet-50 and the cost of SyncBN on
// the same devices. The reports are about other networks, versions and machines than the model's,
// so they check its order of magnitude, not its digits.

import { DEVICES, HOMES, type PresetName, PUBLISHED } from './devices.ts';
import { LINKS } from './links.ts';
import { netModel } from './nets.ts';
import { describeNetwork, type Network } from './network.ts';
import { type Job, predictForwardMs, predictStep } from './step.ts';

/** One report and the model's answer to the same question. */
export interface ReportCheck {
  readonly report: string;
  /** What is predicted. */
  readonly question: string;
  /** Both ends if a report gives a range. */
  readonly reported: readonly [low: number, high: number];
  readonly predicted: number;
  /** Predicted over the nearest end of what is reported; 1 within the range. For `times`, what is
   * added is compared: 1.3 times versus 1.2 is 1.5. */
  readonly ratio: number;
  readonly unit: 'images/s' | 'times';
  readonly source: string;
}

/** Default bucket size of DistributedDataParallel in bytes. */
export const DEFAULT_BUCKET_BYTES = 25 * 2 ** 20;
const DEVICES_OF_A_NODE = 8;
/** A usual per-device batch (Goyal et al. 2017), and a small one. */
const USUAL_BATCH = 32;
const SMALL_BATCH = 8;

/** A job of a preset in its usual machine. */
export function presetJob(preset: PresetName, network: Network, replicaBatch: number): Job {
  const { devicesPerNode, cards, intra, inter } = HOMES[preset];
  return {
    network,
    device: DEVICES[preset],
    cluster: { devicesPerNode, cards, intra: LINKS[intra], inter: LINKS[inter] },
    replicaBatch,
    algorithm: 'auto',
    statistics: 'all-gather',
    groupSize: null,
    bucketBytes: DEFAULT_BUCKET_BYTES,
  };
}

/** All reports, compared. */
export function checkReports(): readonly ReportCheck[] {
  const network = describeNetwork('resnet50', netModel('resnet50'), [224, 224, 3]);
  return [...throughputs(network), ...costs(network), layerAlone()];
}

/** Throughputs of 8 devices; presets are fitted to those of one. */
function throughputs(network: Network): ReportCheck[] {
  return (Object.keys(PUBLISHED) as PresetName[]).map((preset) => {
    const { replicaBatch, imagesPerSecondOf8 } = PUBLISHED[preset]!;
    const job = presetJob(preset, network, replicaBatch);
    return compare({
      report: 'images a second of ResNet-50 v1.5',
      question: `8 ${preset}, BN, batch ${replicaBatch}`,
      reported: [imagesPerSecondOf8, imagesPerSecondOf8],
      predicted: predictStep(job, 'BN', DEVICES_OF_A_NODE).imagesPerSecond,
      unit: 'images/s',
      source: 'NVIDIA DeepLearningExamples, resnet50v1.5/README.md',
    });
  });
}

/** What SyncBN costs a whole network. */
function costs(network: Network): ReportCheck[] {
  const timesOf = (batch: number, time: (job: Job, norm: 'BN' | 'SyncBN') => number): number => {
    const job = presetJob('v100', network, batch);
    return time(job, 'SyncBN') / time(job, 'BN');
  };
  const step = (job: Job, norm: 'BN' | 'SyncBN'): number =>
    predictStep(job, norm, DEVICES_OF_A_NODE).ms;
  const forward = (job: Job, norm: 'BN' | 'SyncBN'): number => predictForwardMs(job, norm, 4);
  return [USUAL_BATCH, SMALL_BATCH].flatMap((batch) => [
    compare({
      report: 'an epoch takes 25 min instead of 20',
      question: `step, 8 v100, batch ${batch}`,
      reported: [1.25, 1.25],
      predicted: timesOf(batch, step),
      unit: 'times',
      source: 'HuangJunJie2017/BEVDet issue 147: another network, devices not named',
    }),
    compare({
      report: 'forward takes 4.5 s instead of 1.2 s',
      question: `forward, 4 v100, batch ${batch}`,
      reported: [4.5 / 1.2, 4.5 / 1.2],
      predicted: timesOf(batch, forward),
      unit: 'times',
      source: 'horovod/horovod issue 2450: HRNet-18 on 4 V100, Horovod',
    }),
  ]);
}

/** A single layer's forward pass, [50, 2048, 7, 7] on each of 8 V100, 100 times. */
function layerAlone(): ReportCheck {
  const norm = {
    path: 'norm',
    normChannels: 2048,
    needsInputGradient: true,
    flopsForward: 0,
    flopsBackward: 0,
    elementsForward: 2048 * 7 * 7,
    elementsBackward: 0,
    parameters: 2 * 2048,
  };
  const network = { name: 'a layer', inputShape: [7, 7, 2048], operations: [norm] };
  const job = presetJob('v100', network, 50);
  const slower =
    predictForwardMs(job, 'SyncBN', DEVICES_OF_A_NODE) /
    predictForwardMs(job, 'BN', DEVICES_OF_A_NODE);
  return compare({
    report: 'a layer takes 2.51 s instead of 0.087 to 0.175 s',
    question: 'a single layer, 8 v100',
    reported: [2.51 / 0.175, 2.51 / 0.087],
    predicted: slower,
    unit: 'times',
    source: 'facebookresearch/fairscale pull request 662, PyTorch of May 2021',
  });
}

function compare(check: Omit<ReportCheck, 'ratio'>): ReportCheck {
  const { predicted, reported, unit } = check;
  const [low, high] = reported;
  const nearest = Math.min(Math.max(predicted, low), high);
  const nothing = unit === 'times' ? 1 : 0;
  return { ...check, ratio: (predicted - nothing) / (nearest - nothing) };
}
