// The job of the direct norms' tests, run on every rank: does the deeds it is given, one after the
// other, and returns what each gave.

import { normsFor } from '../../../src/direct/normsFor.ts';
import type {
  DoubleGradients,
  Group,
  JobContext,
  Norm,
  Norms,
  ParameterGradients,
} from '../../../src/index.ts';

/** One batch of the whole group, of which every rank takes its rows. */
export interface BatchCase {
  readonly channels: number;
  /** Rows of each rank. */
  readonly rows: readonly number[];
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly weight?: Float32Array;
  readonly bias?: Float32Array;
  readonly runningMean?: Float64Array;
  readonly runningVar?: Float64Array;
  readonly momentum?: number | null;
  /** All arrays from `group.allocate` rather than private. */
  readonly isShared?: boolean;
  readonly maxRows?: number;
}

export interface BatchFinding extends ParameterGradients {
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly evaluated: Float32Array;
  readonly runningMean: Float64Array;
  readonly runningVar: Float64Array;
  readonly updates: number;
  /** The group's calls after forward, evaluate, parameterGradients and backward. */
  readonly calls: readonly number[];
}

/** A batch, and gradients of what backward gives. */
export interface DoubleCase extends BatchCase {
  /** Of the whole batch. */
  readonly ddx?: Float32Array;
  readonly biasGrad?: Float64Array;
  /** Of each rank's sums. */
  readonly weightGrads?: readonly Float64Array[];
}

export type DoubleFinding = DoubleGradients & { readonly calls: number };

export interface SampleCase {
  readonly norm: 'groupNorm' | 'instanceNorm' | 'layerNorm';
  readonly channels: number;
  readonly numGroups: number;
  readonly rowsPerSample: number;
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly weight?: Float32Array;
  readonly bias?: Float32Array;
}

export type SampleFinding = Omit<BatchFinding, 'runningMean' | 'runningVar' | 'updates'>;

type Context = JobContext<unknown>;

function own(values: Float32Array, { channels, rows }: BatchCase, rank: number): Float32Array {
  const first = rows.slice(0, rank).reduce((sum, count) => sum + count, 0);
  return values.slice(first * channels, (first + rows[rank]!) * channels);
}

function shared(group: Group, values: Float32Array): Float32Array {
  const array = group.allocate('float32', values.length);
  array.set(values);
  return array;
}

function runBatch(norms: Norms, group: Group, given: BatchCase): BatchFinding {
  const { rank } = group;
  const place = (values: Float32Array): Float32Array =>
    given.isShared ? shared(group, values) : values;
  const bn = norms.batchNorm(given.channels, {
    group,
    ...(given.momentum !== undefined && { momentum: given.momentum }),
    ...(given.maxRows !== undefined && { maxRows: given.maxRows }),
  });
  if (given.runningMean) bn.state!.runningMean.set(given.runningMean);
  if (given.runningVar) bn.state!.runningVar.set(given.runningVar);
  const x = place(own(given.x, given, rank));
  const dy = place(own(given.dy, given, rank));
  const weight = given.weight && place(given.weight);
  const bias = given.bias && place(given.bias);
  const outputs = given.isShared ? { y: place(new Float32Array(x.length)) } : {};
  const calls = [group.stats().calls];
  const count = (): unknown => calls.push(group.stats().calls);
  const { y, saved } = bn.forward(x, { weight, bias, ...outputs });
  count();
  const evaluated = bn.evaluate(x, { weight, bias }).slice();
  count();
  // What is saved does not depend on the weight any more.
  weight?.fill(Number.NaN);
  const parameters = bn.parameterGradients(dy, saved);
  count();
  const { dx, ...again } = bn.backward(dy, saved, given.isShared ? { dx: dy } : {});
  count();
  if (String(parameters.weightGrad) !== String(again.weightGrad)) throw new Error('weightGrad');
  if (String(parameters.biasGrad) !== String(again.biasGrad)) throw new Error('biasGrad');
  return {
    y: y.slice(),
    dx: dx.slice(),
    ...parameters,
    evaluated,
    runningMean: bn.state!.runningMean.slice(),
    runningVar: bn.state!.runningVar.slice(),
    updates: bn.state!.numBatchesTracked[0]!,
    calls: calls.map((calls, i, all) => calls - all[Math.max(0, i - 1)]!).slice(1),
  };
}

function runDouble(norms: Norms, group: Group, given: DoubleCase): DoubleFinding {
  const { rank } = group;
  const { ddx, weightGrads, biasGrad } = given;
  const bn = norms.batchNorm(given.channels);
  const { saved } = bn.forward(own(given.x, given, rank), {
    weight: given.weight,
    bias: given.bias,
  });
  const before = group.stats().calls;
  const found = bn.doubleBackward(own(given.dy, given, rank), saved, {
    ...(ddx && { dx: own(ddx, given, rank) }),
    ...(weightGrads && { weightGrad: weightGrads[rank]! }),
    ...(biasGrad && { biasGrad }),
  });
  return { ...found, calls: group.stats().calls - before };
}

function sampleNorm(norms: Norms, given: SampleCase): Norm {
  const { channels, rowsPerSample, numGroups } = given;
  if (given.norm === 'layerNorm') return norms.layerNorm(channels);
  if (given.norm === 'instanceNorm') return norms.instanceNorm(channels, { rowsPerSample });
  return norms.groupNorm(numGroups, channels, { rowsPerSample });
}

function runSample(norms: Norms, group: Group, given: SampleCase): SampleFinding {
  const norm = sampleNorm(norms, given);
  const { x, dy, weight, bias } = given;
  const { y, saved } = norm.forward(x, { weight, bias });
  const evaluated = norm.evaluate(x, { weight, bias });
  return { y, evaluated, ...norm.backward(dy, saved), calls: [group.stats().calls] };
}

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return 'no error';
}

const deeds = {
  batches: ({ group, args }: Context) => {
    const norms = normsFor(group);
    return (args as { cases: BatchCase[] }).cases.map((given) => runBatch(norms, group, given));
  },

  doubles: ({ group, args }: Context) => {
    const norms = normsFor(group);
    return (args as { cases: DoubleCase[] }).cases.map((given) => runDouble(norms, group, given));
  },

  samples: ({ group, args }: Context) => {
    const norms = normsFor(group);
    return (args as { cases: SampleCase[] }).cases.map((given) => runSample(norms, group, given));
  },

  /** A batch for each half of the world, both halves at once, in groups of their own. */
  halves: ({ rank, group, args }: Context) => {
    const color = rank % 2;
    const half = group.split(color)!;
    const found = runBatch(normsFor(group), half, (args as { cases: BatchCase[] }).cases[color]!);
    return { ...found, worldCalls: group.stats().calls };
  },

  /** Two layers, one of them used twice before anything goes backward. */
  interleaved: ({ rank, group, args }: Context) => {
    const norms = normsFor(group);
    const [first, second, third] = (args as { cases: BatchCase[] }).cases as [
      BatchCase,
      BatchCase,
      BatchCase,
    ];
    const a = norms.batchNorm(first.channels, { name: 'a' });
    const b = norms.batchNorm(second.channels, { name: 'b' });
    const forward = (norm: Norm, given: BatchCase) =>
      norm.forward(own(given.x, given, rank), { weight: given.weight, bias: given.bias }).saved;
    const saved1 = forward(a, first);
    const saved2 = forward(b, second);
    const saved3 = forward(a, third);
    const dxs = [
      a.backward(own(third.dy, third, rank), saved3),
      b.backward(own(second.dy, second, rank), saved2),
      a.backward(own(first.dy, first, rank), saved1),
      a.backward(own(first.dy, first, rank), saved1),
    ].map(({ dx }) => dx);
    return { dxs, sites: group.stats().sites.map(({ call, calls }) => ({ call, calls })) };
  },

  /** Ten steps on arrays of all kinds: where the next allocation would lie, before and after. */
  steps: ({ group }: Context) => {
    const bn = normsFor(group).batchNorm(5, { maxRows: 1000 });
    const step = (rows: number): void => {
      const { y, saved } = bn.forward(new Float32Array(rows * 5).map((_, i) => i % 7));
      bn.backward(y, saved);
    };
    const places: number[] = [];
    for (let i = 0; i < 10; i++) {
      places.push(group.allocate('uint8', 0).byteOffset);
      step(100 * (i + 1));
    }
    return places;
  },

  oneRow: ({ rank, group }: Context) => {
    const bn = normsFor(group).batchNorm(2, { name: 'stem' });
    const message = messageOf(() => bn.forward(new Float32Array(rank === 0 ? 2 : 0)));
    // Nobody is left behind: the next batch goes on.
    const { y } = bn.forward(new Float32Array([rank, -rank]));
    const empty = bn.forward(new Float32Array(0));
    const { dx } = bn.backward(new Float32Array(0), empty.saved);
    const { count } = empty.saved;
    return { message, y, count, dx, updates: bn.state!.numBatchesTracked[0] };
  },

  errors: ({ group }: Context) => {
    const norms = normsFor(group);
    const bn = norms.batchNorm(3, { name: 'bn1', maxRows: 4 });
    const other = norms.batchNorm(3);
    const x = new Float32Array(6).map((_, i) => i);
    const { saved } = other.forward(x);
    const kept = bn.forward(x).saved;
    const inGroup = shared(group, x);
    return [
      () => bn.forward(new Float32Array(7)),
      () => bn.forward(new Float32Array(15)),
      () => bn.forward(new Float64Array(6) as never),
      () => bn.forward(x, { weight: new Float32Array(2) }),
      () => bn.forward(x, { bias: new Float32Array(4) }),
      () => bn.forward(x, { y: x }),
      () => bn.forward(inGroup, { y: shared(group, new Float32Array(3)) }),
      () => bn.evaluate(inGroup.subarray(0, 3), { y: inGroup.subarray(1, 4) }),
      () => bn.backward(x, saved),
      () => bn.backward(x, { ...kept }),
      () => bn.backward(new Float32Array(9), kept),
      () => bn.backward(x.slice(), kept, { dx: x }),
      () => bn.doubleBackward(x, saved, {}),
      () => bn.doubleBackward(x, kept, { dx: new Float32Array(3) }),
      () => bn.doubleBackward(x, kept, { weightGrad: new Float32Array(3) as never }),
      () => bn.doubleBackward(x, kept, { biasGrad: new Float64Array(6) }),
      () => norms.batchNorm(0),
      () => norms.batchNorm(3, { momentum: 2 }),
      () => norms.batchNorm(3, { maxRows: -1 }),
      () => norms.groupNorm(2, 3, { rowsPerSample: 4 }),
      () => norms.instanceNorm(3, {} as never),
      () => norms.groupNorm(3, 3, { rowsPerSample: 4 }).forward(new Float32Array(18)),
      () => norms.layerNorm([2, 3], { name: 'ln' }).forward(x.slice(0, 5)),
      () => normsFor({ rank: 0, worldSize: 1 } as Group),
    ].map(messageOf);
  },
};

export type Deed = keyof typeof deeds;

export default function job(context: Context): unknown {
  return deeds[(context.args as { deed: Deed }).deed](context);
}
