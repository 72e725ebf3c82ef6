// The kernels of batch normalization over [rows, channels], each compared with a plain loop that
// reads and writes the same arrays and computes almost nothing.

import {
  batchNormSetsRef,
  normalizeGradRef,
  normalizeRef,
  setMomentsRef,
} from '../src/kernels/reference/norm.ts';
import { gradCoefficientsLength } from '../src/norm/coefficients.ts';
import {
  type Bench,
  type CompiledModules,
  checkNear,
  createBench,
  fillRandom,
  type KernelCase,
} from './kernelCase.ts';
import { SUM_BYTES } from './peak.ts';

const EPS = 1e-5;
const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;

/** Moments, normalize, gradient sums and input gradient. */
export function normCases(
  modules: CompiledModules,
  rows: number,
  channels: number,
): readonly KernelCase[] {
  const size = { rows, channels };
  const bench = createNormBench(modules, size);
  const passes = bindPasses(bench, size);
  passes.moments();
  writeCoefficients(bench, size);
  passes.gradSums();
  writeGradCoefficients(bench, size);
  return [...forwardCases(bench, size, passes), ...backwardCases(bench, size, passes)];
}

/** Rows and channels of the tensors. */
interface Size {
  readonly rows: number;
  readonly channels: number;
}

interface Passes {
  moments(): void;
  normalize(): void;
  gradSums(): void;
  inputGrad(): void;
}

/** Memory with random tensors and parameters. */
function createNormBench(modules: CompiledModules, { rows, channels }: Size): Bench {
  const bench = createBench(modules, [
    { name: 'x', type: 'f32', shape: [rows, channels] },
    { name: 'y', type: 'f32', shape: [rows, channels] },
    { name: 'dy', type: 'f32', shape: [rows, channels] },
    { name: 'dx', type: 'f32', shape: [rows, channels] },
    { name: 'weight', type: 'f32', shape: [channels] },
    { name: 'bias', type: 'f32', shape: [channels] },
    { name: 'moments', type: 'f64', shape: [1 + 2 * channels] },
    { name: 'sums', type: 'f64', shape: [2 * channels] },
    { name: 'coefficients', type: 'f64', shape: [4 * channels] },
    { name: 'gradCoefficients', type: 'f64', shape: [gradCoefficientsLength(channels)] },
    { name: 'scratch', type: 'f32', shape: [2 * channels] },
    { name: 'peakSums', type: 'u8', shape: [SUM_BYTES] },
  ]);
  for (const [stream, name] of ['x', 'dy', 'weight', 'bias'].entries()) {
    fillRandom(bench.floats(name), stream);
  }
  return bench;
}

function bindPasses({ kernels, ptr }: Bench, { rows, channels }: Size): Passes {
  const [x, y, dy, dx] = [ptr('x'), ptr('y'), ptr('dy'), ptr('dx')];
  const [coefficients, gradCoefficients] = [ptr('coefficients'), ptr('gradCoefficients')];
  const [moments, sums, scratch] = [ptr('moments'), ptr('sums'), ptr('scratch')];
  return {
    moments: () => kernels.momentsF32(x, rows, channels, coefficients, moments),
    normalize: () => kernels.normalizeF32(x, y, rows, channels, coefficients),
    gradSums: () => kernels.normGradSumsF32(x, dy, rows, channels, coefficients, scratch, sums),
    inputGrad: () => kernels.normInputGradF32(x, dy, dx, rows, channels, gradCoefficients),
  };
}

/** From the moments. */
function writeCoefficients({ kernels, ptr }: Bench, { channels }: Size): void {
  const countPtr = ptr('moments');
  const meanPtr = countPtr + DOUBLE_BYTES;
  const m2Ptr = meanPtr + DOUBLE_BYTES * channels;
  kernels.batchNormCoefficients(
    meanPtr,
    m2Ptr,
    countPtr,
    channels,
    EPS,
    ptr('weight'),
    ptr('bias'),
    ptr('coefficients'),
  );
}

/** From the gradient sums. */
function writeGradCoefficients({ kernels, ptr }: Bench, { channels }: Size): void {
  kernels.batchNormGradCoefficients(
    ptr('sums'),
    ptr('moments'),
    channels,
    ptr('coefficients'),
    ptr('gradCoefficients'),
  );
}

/** A case whose pass reads or writes `countArrays` tensors. */
function caseOf(
  kernel: string,
  { rows, channels }: Size,
  countArrays: number,
  pass: Pick<KernelCase, 'run' | 'peak' | 'check'>,
): KernelCase {
  const bytes = countArrays * bytesOf({ rows, channels });
  return {
    kernel,
    shape: `${rows} rows of ${channels}`,
    unit: 'GB/s',
    work: bytes,
    peakWork: bytes,
    ...pass,
  };
}

function bytesOf({ rows, channels }: Size): number {
  return rows * channels * FLOAT_BYTES;
}

/** What the plain loops need: all rows as one set, and the parameters. */
function referenceOf(bench: Bench, { rows, channels }: Size) {
  return {
    sets: batchNormSetsRef(channels, [rows]),
    affine: { eps: EPS, weight: bench.floats('weight'), bias: bench.floats('bias') },
  };
}

function forwardCases(bench: Bench, size: Size, passes: Passes): readonly KernelCase[] {
  const { peak, ptr } = bench;
  const { channels } = size;
  const [x, y] = [ptr('x'), ptr('y')];
  const { sets, affine } = referenceOf(bench, size);
  const bytes = bytesOf(size);
  return [
    caseOf('norm moments', size, 1, {
      run: passes.moments,
      peak: () => peak.read(x, bytes, ptr('peakSums')),
      check: () => {
        const exact = setMomentsRef(bench.floats('x'), sets);
        const found = bench.doubles('moments');
        checkNear(
          'means',
          found.subarray(1, 1 + channels),
          exact.map(({ mean }) => mean),
        );
        checkNear(
          'squares',
          found.subarray(1 + channels),
          exact.map(({ m2 }) => m2),
        );
      },
    }),
    caseOf('norm normalize', size, 2, {
      run: passes.normalize,
      peak: () => peak.copy(x, y, bytes),
      check: () => {
        passes.normalize();
        checkNear('normalized', bench.floats('y'), normalizeRef(bench.floats('x'), sets, affine));
      },
    }),
  ];
}

function backwardCases(bench: Bench, size: Size, passes: Passes): readonly KernelCase[] {
  const { peak, ptr } = bench;
  const [x, dy, dx] = [ptr('x'), ptr('dy'), ptr('dx')];
  const { sets, affine } = referenceOf(bench, size);
  const gradients = () => normalizeGradRef(bench.floats('x'), bench.floats('dy'), sets, affine);
  const bytes = bytesOf(size);
  return [
    caseOf('norm grad sums', size, 2, {
      run: passes.gradSums,
      peak: () => peak.readTwo(x, dy, bytes, ptr('peakSums')),
      check: () => {
        const { dweight, dbias } = gradients();
        checkNear('gradient sums', bench.doubles('sums'), [...dbias, ...dweight]);
      },
    }),
    caseOf('norm input grad', size, 3, {
      run: passes.inputGrad,
      peak: () => peak.add(x, dy, dx, bytes),
      check: () => {
        passes.inputGrad();
        checkNear('input gradient', bench.floats('dx'), gradients().dx);
      },
    }),
  ];
}
