// Training speed: this library and its peers take short turns within one run, so that a drifting
// machine affects all. bench/NOTES.md says what the figures mean and what they leave out.

import { InvariantError, RunError } from '../src/base/errors.ts';
import { type Shape, sizeOf } from '../src/base/shape.ts';
import type { Dataset, Progress, Trainer } from '../src/index.ts';
import * as ours from '../src/index.ts';
import { CLASSES, INPUT_SHAPES, maskShapeOf, type NetName } from './nets.ts';
import type { PeerFigures, ServedPeer } from './served.ts';
import { type Summary, summarize } from './stats.ts';
import type { TorchBuild } from './torch.ts';

export const NORMS = ['sync', 'local', 'group'] as const;

/** What is trained, and on how many threads. */
export interface TrainSetting {
  readonly net: NetName;
  readonly norm: (typeof NORMS)[number];
  readonly replicas: number;
  readonly workers: number;
  readonly replicaBatch: number;
  /** How finely the batch is divided; default: the library's rule. */
  readonly grains?: number;
}

/** Durations; all times are for each side of each setting. */
export interface TrainTimes {
  /** Measured time, over all rounds. */
  readonly seconds: number;
  readonly rounds: number;
  readonly windowSeconds: number;
  readonly warmUpSeconds: number;
}

export type PeerName = 'torch-ddp' | 'convnetjs' | 'tfjs-cpu' | 'processes';

/** Another library that can train a setting. */
export interface TrainPeer {
  readonly name: PeerName;
  /** For messages; unique among peers. */
  readonly label: string;
  /** For PyTorch. */
  readonly torch?: TorchBuild;
  /** Number of its processes, of one thread each. */
  readonly workers: number;
  /** The most rounds, if its steps take long. */
  readonly rounds: number;
  /** What it leaves out of the setting. */
  readonly lacks?: string;
  start(): ServedPeer;
}

/** One side of one setting. */
export interface TrainResult extends TrainSetting {
  readonly bench: 'train';
  /** At the median step time. */
  readonly imagesPerSecond: number;
  /** The median: of windows for ours, of steps and then of rounds for a peer. */
  readonly msPerStep: number;
  readonly msPerStepMin: number;
  readonly msPerStepP99: number;
  readonly peer: null | PeerName;
  /** For a peer: how many times as fast ours is, round by round; the median, minimum and
   * maximum. */
  readonly ratio?: { readonly p50: number; readonly min: number; readonly max: number };
  readonly lacks?: string;
  /** For PyTorch: which one, in which memory format, and whether it is the fastest of several. */
  readonly torch?: TorchBuild;
  readonly format?: string;
  readonly isFastest?: boolean;
}

/** Enough that the inputs do not stay in the caches. */
const TRAIN_SAMPLES = 2048;
/** Fewer samples if they are large; 32 MB. */
const TRAIN_VALUES = 2 ** 23;
const SEPARATION = 0.9;
const LEARNING_RATE = 0.1;
const MOMENTUM = 0.9;
const NUM_GROUPS = 8;
/** A peer's first measurement, only for its warm-up. */
const PEER_WARM_UP_SECONDS = 1;
/** So that a round has a median. */
const WINDOWS_PER_ROUND = 3;
/** More epochs than any run reaches. */
const EPOCHS = 1_000_000;
/** The check trains on one batch repeatedly, slowly enough that all nets and norms improve. */
const CHECK_EPOCHS = 8;
const CHECK_LEARNING_RATE = 0.02;
const CHECK_LOSS_SHARE = 0.97;

/** Measures one setting: ours, and the peers, in alternating rounds. A peer that fails is passed to
 * `onFailure` and has no result; our own errors are thrown. */
export async function measureTraining(
  setting: TrainSetting,
  times: TrainTimes,
  peers: readonly TrainPeer[],
  onFailure: (peer: TrainPeer, error: RunError) => void,
): Promise<readonly TrainResult[]> {
  await checkLearning(setting);
  const trainer = await startTrainer(ours, setting, datasetOf(ours, setting));
  const sides = peers.map((peer) => ({ peer, served: peer.start(), rounds: [] as PeerRound[] }));
  const failed = new Set<(typeof sides)[number]>();
  const ask = async (side: (typeof sides)[number], seconds: number) => {
    try {
      return await side.served.measure(seconds);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      failed.add(side);
      onFailure(side.peer, error);
      return undefined;
    }
  };
  try {
    // The first answer waits for a peer's start and warm-up, during which ours must not run.
    for (const side of sides) await ask(side, PEER_WARM_UP_SECONDS);
    const secondsPerRound = times.seconds / times.rounds;
    const stepSeconds = await warmUp(trainer, times.warmUpSeconds);
    const windowSeconds = Math.min(times.windowSeconds, secondsPerRound / WINDOWS_PER_ROUND);
    const stepsPerWindow = Math.max(1, Math.round(windowSeconds / stepSeconds));
    const allMs: number[] = [];
    for (let round = 0; round < times.rounds; round++) {
      // The peers have emptied the caches.
      await timeSteps(trainer, Math.ceil(stepsPerWindow / 2));
      const roundMs = await timeWindows(trainer, stepsPerWindow, secondsPerRound);
      allMs.push(...roundMs);
      const oursMs = summarize(roundMs).p50;
      for (const side of sides) {
        if (round >= side.peer.rounds || failed.has(side)) continue;
        const figures = await ask(side, secondsPerRound);
        if (figures === undefined) continue;
        side.rounds.push({ figures, ratio: figures.msPerStep.p50 / oursMs });
      }
    }
    const own = resultOf(setting, summarize(allMs), null);
    const measured = sides.filter((side) => !failed.has(side));
    const others = measured.map(({ peer, rounds }) => peerResult(setting, peer, rounds));
    return [own, ...markFastest(others)];
  } finally {
    await Promise.all([trainer.close(), ...sides.map(({ served }) => served.close())]);
  }
}

/** What a peer measured in a round, and how much longer its median step took than ours. */
interface PeerRound {
  readonly figures: PeerFigures;
  readonly ratio: number;
}

/** Milliseconds per step for each window of a round. */
async function timeWindows(trainer: Trainer, steps: number, seconds: number): Promise<number[]> {
  const windowsMs: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  do {
    windowsMs.push((await timeSteps(trainer, steps)) * 1000);
  } while (performance.now() < endMs);
  return windowsMs;
}

/** The library that trains a setting: this one, or another build of it. */
export type Library = Pick<typeof ours, 'Trainer' | 'nn' | 'optim' | 'synthetic'>;

export function startTrainer(
  { Trainer, nn, optim }: Library,
  setting: TrainSetting,
  data: Dataset,
  lr = LEARNING_RATE,
): Promise<Trainer> {
  const { net, norm, replicas, workers, replicaBatch, grains } = setting;
  const purpose = { inputShape: data.inputShape, classes: CLASSES };
  return Trainer.start({
    model: nn.convertNorm(nn.namedModel(net, purpose), {
      to: norm,
      ...(norm === 'group' && { numGroups: NUM_GROUPS }),
    }),
    data,
    optimizer: optim.sgd({ lr, momentum: MOMENTUM }),
    replicas,
    workers,
    replicaBatch,
    ...(grains !== undefined && { grains }),
    // Every step has a full batch.
    dropLast: true,
    seed: 1,
  });
}

/** Data for a setting, with only full batches. */
export function datasetOf(library: Library, setting: TrainSetting): Dataset {
  return sampleData(library, setting.net, sampleCountOf(setting));
}

/** How many samples a setting trains on. */
export function sampleCountOf({ net, replicas, replicaBatch }: TrainSetting): number {
  const valuesEach = sizeOf(INPUT_SHAPES[net]) + sizeOf(maskShapeOf(net) ?? []);
  const enough = Math.min(TRAIN_SAMPLES, Math.floor(TRAIN_VALUES / valuesEach));
  return Math.max(enough, replicas * replicaBatch);
}

function sampleData({ synthetic }: Library, net: NetName, train: number): Dataset {
  const data = synthetic({
    train,
    test: 0,
    shape: INPUT_SHAPES[net],
    classes: CLASSES,
    separation: SEPARATION,
  });
  const maskShape = maskShapeOf(net);
  return maskShape === undefined ? data : withMasks(data, maskShape);
}

/** The same inputs with masks that have the sample's class in all pixels. */
function withMasks(data: Dataset, targetShape: Shape): Dataset {
  const { train } = data;
  const size = sizeOf(targetShape);
  const targets = new Int32Array(train.count * size);
  for (let i = 0; i < train.count; i++) {
    targets.fill(train.targets[i]!, i * size, (i + 1) * size);
  }
  return {
    ...data,
    task: { kind: 'segmentation', classes: CLASSES, targetShape },
    train: { ...train, targets },
    test: { ...data.test, targets: new Int32Array(0) },
  };
}

/** A step with invalid results is not worth timing: the loss on one batch must fall. */
async function checkLearning(setting: TrainSetting): Promise<void> {
  const data = sampleData(ours, setting.net, setting.replicas * setting.replicaBatch);
  const trainer = await startTrainer(ours, setting, data, CHECK_LEARNING_RATE);
  try {
    const losses: number[] = [];
    for await (const { loss } of trainer.fit({ epochs: CHECK_EPOCHS })) losses.push(loss);
    const bound = losses[0]! * CHECK_LOSS_SHARE;
    if (losses.every(Number.isFinite) && losses.at(-1)! < bound) return;
    throw new InvariantError(`losses of ${setting.net} on one batch`, losses, 'finite and falling');
  } finally {
    await trainer.close();
  }
}

/** Trains until the code is compiled and the machine is at speed; returns seconds per step. */
export async function warmUp(trainer: Trainer, seconds: number): Promise<number> {
  const startMs = performance.now();
  let steps = 1;
  for (;;) {
    const stepSeconds = await timeSteps(trainer, steps);
    const leftSeconds = seconds - (performance.now() - startMs) / 1000;
    if (leftSeconds <= 0) return stepSeconds;
    steps = Math.max(1, Math.min(2 * steps, Math.round(leftSeconds / stepSeconds)));
  }
}

/** Trains a number of steps with one call of fit and returns the seconds of each. The call's own
 * messages, a fraction of a millisecond, are counted. */
export async function timeSteps(trainer: Trainer, steps: number): Promise<number> {
  const maxSteps = trainer.step + steps;
  let last: Progress | undefined;
  const startMs = performance.now();
  for await (const progress of trainer.fit({ epochs: EPOCHS, maxSteps })) last = progress;
  const durationMs = performance.now() - startMs;
  if (last === undefined || trainer.step !== maxSteps || !Number.isFinite(last.loss)) {
    throw new InvariantError(`step and loss after ${steps} steps`, last, `step ${maxSteps}`);
  }
  return durationMs / 1000 / steps;
}

/** A peer's figures as medians over the rounds. */
function peerResult(
  setting: TrainSetting,
  peer: TrainPeer,
  rounds: readonly PeerRound[],
): TrainResult {
  const median = (figure: (round: PeerFigures) => number): number =>
    summarize(rounds.map(({ figures }) => figure(figures))).p50;
  const ms = {
    min: Math.min(...rounds.map(({ figures }) => figures.msPerStep.min)),
    p50: median(({ msPerStep }) => msPerStep.p50),
    p99: median(({ msPerStep }) => msPerStep.p99),
  };
  const ratios = rounds.map(({ ratio }) => ratio);
  const ratio = {
    p50: round(middle(ratios), 3),
    min: round(Math.min(...ratios), 3),
    max: round(Math.max(...ratios), 3),
  };
  const { name, workers, lacks, torch } = peer;
  const { format } = rounds.at(-1)!.figures;
  return {
    ...resultOf({ ...setting, workers }, ms, name),
    ratio,
    ...(lacks !== undefined && { lacks }),
    ...(torch !== undefined && { torch }),
    ...(format !== undefined && { format }),
  };
}

/** Marks the PyTorch to compare with: of several, the one that is closest to ours. */
function markFastest(results: readonly TrainResult[]): readonly TrainResult[] {
  const torches = results.filter(({ torch }) => torch !== undefined);
  if (torches.length < 2) return results;
  const least = Math.min(...torches.map(({ ratio }) => ratio!.p50));
  const fastest = torches.find(({ ratio }) => ratio!.p50 === least);
  return results.map((result) => (result === fastest ? { ...result, isFastest: true } : result));
}

/** The median. For an even number of ratios, the geometric mean of the middle two, so that the
 * direction of the ratio does not matter. */
export function middle(ratios: readonly number[]): number {
  const ascending = [...ratios].sort((a, b) => a - b);
  const half = ascending.length / 2;
  return Math.sqrt(ascending[Math.ceil(half) - 1]! * ascending[Math.floor(half)]!);
}

function resultOf(setting: TrainSetting, ms: Summary, peer: TrainResult['peer']): TrainResult {
  const globalBatch = setting.replicas * setting.replicaBatch;
  return {
    bench: 'train',
    net: setting.net,
    norm: setting.norm,
    replicas: setting.replicas,
    workers: setting.workers,
    replicaBatch: setting.replicaBatch,
    imagesPerSecond: round((globalBatch * 1000) / ms.p50, 1),
    msPerStep: round(ms.p50, 4),
    msPerStepMin: round(ms.min, 4),
    msPerStepP99: round(ms.p99, 4),
    peer,
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
