// Batch normalization forward and backward on one core, all kernels of a step in order: compared
// with PyTorch's BatchNorm2d on one thread, and with simple loops that read and write the same
// arrays. Ours and the loops alternate, then the peer runs, three times.

import { compileKernels } from '../src/kernels/load.ts';
import type { CompiledModules, KernelCase } from './kernelCase.ts';
import { normCases } from './normCases.ts';
import { compilePeak } from './peak.ts';
import { type Summary, summarize } from './stats.ts';
import type { TorchLayers } from './torchLayers.ts';

/** N, C, H, W, PyTorch's order. */
export type NormShape = readonly [number, number, number, number];

export const NORM_SHAPES: readonly NormShape[] = [
  [2, 64, 32, 32],
  [8, 64, 32, 32],
  [32, 64, 32, 32],
  [2, 32, 14, 14],
  [32, 256, 8, 8],
  [64, 64, 32, 32],
];

export interface NormResult {
  readonly bench: 'norm';
  readonly shape: string;
  readonly msP50: number;
  readonly msMin: number;
  /** Counting 8 passes over an array of this shape, at the median. */
  readonly gigabytesPerSecond: number;
  /** The same passes as loops that compute almost nothing, at their median. */
  readonly loopsGigabytesPerSecond: number;
  /** gigabytesPerSecond / loopsGigabytesPerSecond. */
  readonly share: number;
  /** Medians of the peer; null without it. */
  readonly torchMs: number | null;
  readonly torchChannelsLastMs: number | null;
  /** torchMs / msP50. */
  readonly timesTorch: number | null;
  readonly timesTorchChannelsLast: number | null;
}

export interface NormTimes {
  /** For each side of each shape. */
  readonly seconds: number;
  readonly rounds: number;
}

/** Moments 1, normalize 2, gradient sums 2, input gradient 3. */
const COUNTED_PASSES = 8;
const FLOAT_BYTES = 4;
const MIN_RUNS = 3;

/** Checks every kernel on every shape, then measures; `report` gets each result immediately. */
export async function measureNorms(
  shapes: readonly NormShape[],
  times: NormTimes,
  torch: TorchLayers | undefined,
  report: (result: NormResult) => void,
): Promise<readonly NormResult[]> {
  const modules: CompiledModules = { kernels: compileKernels('fast'), peak: compilePeak() };
  const results: NormResult[] = [];
  for (const shape of shapes) {
    const result = await measureShape(modules, shape, times, torch);
    report(result);
    results.push(result);
  }
  return results;
}

async function measureShape(
  modules: CompiledModules,
  shape: NormShape,
  { seconds, rounds }: NormTimes,
  torch: TorchLayers | undefined,
): Promise<NormResult> {
  const [samples, channels, height, width] = shape;
  const cases = normCases(modules, samples * height * width, channels);
  for (const kernelCase of cases) kernelCase.check();
  const runAll = (of: 'run' | 'peak') => (): void => {
    for (const kernelCase of cases) kernelCase[of]();
  };
  const [ours, loops, peer, peerLast]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    timeInTurns([runAll('run'), ours], [runAll('peak'), loops], (2 * seconds) / rounds);
    if (torch === undefined) continue;
    const answer = await torch.time(shape, seconds / rounds);
    if (answer === undefined) continue;
    peer.push(answer.default.p50);
    peerLast.push(answer.channelsLast.p50);
  }
  return resultOf(shape, cases, { ours: summarize(ours), loops: summarize(loops), peer, peerLast });
}

function resultOf(
  shape: NormShape,
  cases: readonly KernelCase[],
  found: {
    readonly ours: Summary;
    readonly loops: Summary;
    readonly peer: readonly number[];
    readonly peerLast: readonly number[];
  },
): NormResult {
  const bytes = COUNTED_PASSES * shape.reduce((product, size) => product * size) * FLOAT_BYTES;
  const counted = cases.reduce((sum, { work }) => sum + work, 0);
  if (counted !== bytes) throw new Error(`The kernels count ${counted} bytes, not ${bytes}.`);
  const { ours, loops } = found;
  const median = (values: readonly number[]): number | null =>
    values.length === 0 ? null : round(summarize(values).p50);
  const torchMs = median(found.peer);
  const torchChannelsLastMs = median(found.peerLast);
  const times = (ms: number | null): number | null => (ms === null ? null : round(ms / ours.p50));
  return {
    bench: 'norm',
    shape: shape.join('x'),
    msP50: round(ours.p50),
    msMin: round(ours.min),
    gigabytesPerSecond: round(bytes / ours.p50 / 1e6),
    loopsGigabytesPerSecond: round(bytes / loops.p50 / 1e6),
    share: round(loops.p50 / ours.p50),
    torchMs,
    torchChannelsLastMs,
    timesTorch: times(torchMs),
    timesTorchChannelsLast: times(torchChannelsLastMs),
  };
}

/** Appends the milliseconds of each run, except the first ones, of two that alternate: a slow phase
 * of the machine affects both. */
function timeInTurns(
  one: readonly [run: () => void, durations: number[]],
  other: readonly [run: () => void, durations: number[]],
  seconds: number,
): void {
  const end = performance.now() + seconds * 1000;
  for (let turn = 0; turn < 2 * MIN_RUNS || performance.now() < end; turn++) {
    for (const [run, durations] of [one, other]) {
      const start = performance.now();
      run();
      if (turn >= MIN_RUNS) durations.push(performance.now() - start);
    }
  }
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
