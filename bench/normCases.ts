// The kernels of batch normalization over [rows, channels], each against a plain loop that reads
// and writes the same arrays and does next to nothing with them.

import {
  batchNormSetsRef,
  normalizeGradRef,
  normalizeRef,
  setMomentsRef,
} from '../src/kernels/reference/norm.ts';
import { gradCoefficientsLength } from '../src/norm/coefficients.ts';
import {
  type CompiledModules,
  checkNear,
  createBench,
  fillRandom,
  type KernelCase,
} from './kernelCase.ts';

const EPS = 1e-5;
const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;

/** Moments, normalize, gradient sums and input gradient. */
export function normCases(
  modules: CompiledModules,
  rows: number,
  channels: number,
): readonly KernelCase[] {
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
  ]);
  const { kernels, peak, ptr } = bench;
  for (const [stream, name] of ['x', 'dy', 'weight', 'bias'].entries()) {
    fillRandom(bench.floats(name), stream);
  }
  const x = ptr('x');
  const dy = ptr('dy');
  const moments = (): void =>
    kernels.momentsF32(x, rows, channels, ptr('coefficients'), ptr('moments'));
  const normalize = (): void =>
    kernels.normalizeF32(x, ptr('y'), rows, channels, ptr('coefficients'));
  const gradSums = (): void =>
    kernels.normGradSumsF32(
      x,
      dy,
      rows,
      channels,
      ptr('coefficients'),
      ptr('scratch'),
      ptr('sums'),
    );
  const inputGrad = (): void =>
    kernels.normInputGradF32(x, dy, ptr('dx'), rows, channels, ptr('gradCoefficients'));

  moments();
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
  gradSums();
  kernels.batchNormGradCoefficients(
    ptr('sums'),
    countPtr,
    channels,
    ptr('coefficients'),
    ptr('gradCoefficients'),
  );

  const sets = batchNormSetsRef(channels, [rows]);
  const affine = { eps: EPS, weight: bench.floats('weight'), bias: bench.floats('bias') };
  const gradients = () => normalizeGradRef(bench.floats('x'), bench.floats('dy'), sets, affine);
  const bytes = rows * channels * FLOAT_BYTES;
  const caseOf = (
    kernel: string,
    countArrays: number,
    passes: Pick<KernelCase, 'run' | 'peak' | 'check'>,
  ): KernelCase => ({
    kernel,
    shape: `${rows} rows of ${channels}`,
    unit: 'GB/s',
    work: countArrays * bytes,
    peakWork: countArrays * bytes,
    ...passes,
  });
  return [
    caseOf('norm moments', 1, {
      run: moments,
      peak: () => peak.read(x, bytes),
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
    caseOf('norm normalize', 2, {
      run: normalize,
      peak: () => peak.copy(x, ptr('y'), bytes),
      check: () => {
        normalize();
        checkNear('normalized', bench.floats('y'), normalizeRef(bench.floats('x'), sets, affine));
      },
    }),
    caseOf('norm grad sums', 2, {
      run: gradSums,
      peak: () => peak.readTwo(x, dy, bytes),
      check: () => {
        const { dweight, dbias } = gradients();
        checkNear('gradient sums', bench.doubles('sums'), [...dbias, ...dweight]);
      },
    }),
    caseOf('norm input grad', 3, {
      run: inputGrad,
      peak: () => peak.add(x, dy, ptr('dx'), bytes),
      check: () => {
        inputGrad();
        checkNear('input gradient', bench.floats('dx'), gradients().dx);
      },
    }),
  ];
}
