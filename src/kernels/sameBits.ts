// Small runs of the kernels with code that differs between builds with the same bits, to compare
// their results on this machine: convolution, its weight gradient and Winograd products, the passes
// and sums of norms, and folds, with odd sizes, so that tails also run.

import { FLOAT_BYTES, PAGE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from './exports.ts';

/** Pages of 64 KB that {@link outputsOf} needs. */
export const CHECK_PAGES = 4;

const FIRST_PTR = 1024;
const ALIGN_BYTES = 128;
/** The last page is for the output of a kernel. */
const OUT_PTR = (CHECK_PAGES - 1) * PAGE_BYTES;

/** The output of one kernel. */
export interface KernelOutput {
  readonly kernel: keyof KernelExports;
  readonly bytes: Uint8Array;
}

/** Returns the address of `length` random-looking float32, or of space for outputs. */
type Values = (length: number) => number;
/** From -2 to 2. */
const NUMBERS = Float32Array.from({ length: 1021 }, (_, i) => ((i * 7919) % 2039) / 510 - 2);

type Run = (kernels: KernelExports, values: Values) => void;

const TAPS = 3;
const [ROWS, CHANNELS] = [37, 21];
/** The most places of a Winograd tile. */
const PLANES = 36;
/** Tail columns, full, tail rows, corners. */
const COUNTS = [2, 3, 1, 1] as const;
const [TILES, IN, OUT] = [7, 16, 24];
/** An image for Winograd's transforms that has all kinds of tiles. */
const IMAGE = { height: 6, width: 6, channels: 8 };
const LINES = 2304;

/** Each run writes from OUT_PTR on. */
const RUNS: readonly (readonly [keyof KernelExports, Run])[] = [
  ['convTilesF32', (kernels, values) => runConv(kernels, values, 5)],
  // Weights that are too large for the path of small kernels.
  ['convTilesF32', (kernels, values) => runConv(kernels, values, 30)],
  ['convWeightGradTilesF32', runWeightGrad],
  ['convWeightGradTilesF32', runStripGrad],
  ['convSomeTapsF32', runSomeTaps],
  ['foldedWeightGradF32', runFoldedGrad],
  ['winogradInputF32', (kernels, values) => runTransform(kernels.winogradInputF32, values, -1)],
  [
    'winogradOutputGradF32',
    (kernels, values) => runTransform(kernels.winogradOutputGradF32, values, 0),
  ],
  ['winogradOutputF32', runOutput],
  ['winogradWeightsF32', runWeights],
  ['winogradProductsF32', runProducts],
  ['winogradGradProductsF32', runGradProducts],
  [
    'momentsF32',
    (kernels, values) => {
      kernels.momentsF32(values(ROWS * CHANNELS), ROWS, CHANNELS, values(24), OUT_PTR);
    },
  ],
  [
    'normalizeReluF32',
    (kernels, values) => {
      const coefficients = values(8 * CHANNELS);
      kernels.normalizeReluF32(values(ROWS * CHANNELS), OUT_PTR, ROWS, CHANNELS, coefficients);
    },
  ],
  [
    'normalizeAddReluF32',
    (kernels, values) => {
      const [x, other] = [values(ROWS * CHANNELS), values(ROWS * CHANNELS)];
      const coefficients = values(8 * CHANNELS);
      kernels.normalizeAddReluF32(x, other, OUT_PTR, ROWS, CHANNELS, coefficients);
    },
  ],
  [
    'normReluGradSumsF32',
    (kernels, values) => {
      const [x, dy] = [values(ROWS * CHANNELS), values(ROWS * CHANNELS)];
      const coefficients = values(8 * CHANNELS);
      kernels.normReluGradSumsF32(x, dy, ROWS, CHANNELS, coefficients, values(48), OUT_PTR);
    },
  ],
  ['addReluF32', (kernels, values) => kernels.addReluF32(OUT_PTR, values(77), values(77), 77)],
  [
    'rampGatedGradF32',
    (kernels, values) => {
      kernels.rampGatedGradF32(values(77), values(77), OUT_PTR, 77, 1, 2, 0.5, 1);
    },
  ],
  [
    'preluSlopeSumsF32',
    (kernels, values) => {
      const [dy, x] = [values(ROWS * CHANNELS), values(ROWS * CHANNELS)];
      kernels.preluSlopeSumsF32(dy, x, ROWS, CHANNELS, OUT_PTR);
    },
  ],
  [
    'columnSumsF32',
    (kernels, values) => {
      kernels.columnSumsF32(values(ROWS * CHANNELS), ROWS, CHANNELS, OUT_PTR);
    },
  ],
];

/** The outputs of the kernels for the same numbers, in the last of `calls` calls; uses the memory
 * from its start. */
export function outputsOf(
  kernels: KernelExports,
  memory: WebAssembly.Memory,
  calls: number,
): readonly KernelOutput[] {
  const { buffer } = memory;
  const input = new Float32Array(buffer, 0, OUT_PTR / FLOAT_BYTES);
  const output = new Uint8Array(buffer, OUT_PTR, PAGE_BYTES);
  const call = (run: Run): void => {
    let endPtr = FIRST_PTR;
    run(kernels, (length) => {
      const ptr = endPtr;
      endPtr = Math.ceil((ptr + length * FLOAT_BYTES + ALIGN_BYTES) / ALIGN_BYTES) * ALIGN_BYTES;
      return ptr;
    });
  };
  return RUNS.map(([kernel, run]) => {
    fill(input);
    output.fill(0);
    for (let i = 0; i < calls; i++) call(run);
    return { kernel, bytes: output.slice() };
  });
}

/** Fills the input with repetitions of the same numbers. Their count does not divide any size of a
 * run. */
function fill(input: Float32Array): void {
  for (let at = 0; at < input.length; at += NUMBERS.length) {
    input.set(NUMBERS.subarray(0, input.length - at), at);
  }
}

/** The first kernel with different bits, or undefined if all are the same. */
export function differingKernel(
  outputs: readonly KernelOutput[],
  others: readonly KernelOutput[],
): keyof KernelExports | undefined {
  return outputs.find(({ bytes }, i) => Buffer.compare(bytes, others[i]!.bytes) !== 0)?.kernel;
}

/** The distance from an output to its addend. */
const OTHER_BYTES = FIRST_PTR - OUT_PTR;

/** 3 x 3 taps with stride 2, 7 x 5 pixels out. */
const SHAPE = { outHeight: 7, outWidth: 5, inColumns: 11, inRows: 15, outChannels: 27 };

function runConv(kernels: KernelExports, values: Values, channels: number): void {
  const { outHeight, outWidth, inColumns, inRows, outChannels } = SHAPE;
  const taps = TAPS * TAPS * channels;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = inColumns * pixelBytes;
  const weights = values(taps * outChannels);
  const panels = values(taps * Math.ceil(outChannels / 8) * 8);
  kernels.packPanelsF32(weights, outChannels * FLOAT_BYTES, taps, outChannels, panels);
  kernels.convTilesF32(
    values(inRows * inColumns * channels),
    2 * rowBytes,
    2 * pixelBytes,
    TAPS,
    rowBytes,
    1,
    0,
    TAPS * channels,
    panels,
    values(outChannels),
    OUT_PTR,
    outWidth * outChannels * FLOAT_BYTES,
    outChannels * FLOAT_BYTES,
    outHeight,
    outWidth,
    outChannels,
    OTHER_BYTES,
    1,
  );
}

function runWeightGrad(kernels: KernelExports, values: Values): void {
  const { outHeight, outWidth, inColumns, inRows, outChannels } = SHAPE;
  const channels = 5;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = inColumns * pixelBytes;
  kernels.convWeightGradTilesF32(
    values(inRows * inColumns * channels),
    2 * rowBytes,
    2 * pixelBytes,
    TAPS,
    rowBytes,
    1,
    0,
    TAPS * channels,
    values(outHeight * outWidth * outChannels),
    outWidth * outChannels * FLOAT_BYTES,
    outChannels * FLOAT_BYTES,
    outHeight,
    outWidth,
    outChannels,
    OUT_PTR,
    outChannels * FLOAT_BYTES,
    0,
    0,
  );
}

/** A single tap of 16 channels, summed from packed strips. */
function runStripGrad(kernels: KernelExports, values: Values): void {
  const { outHeight, outWidth, inColumns, inRows } = SHAPE;
  const [pixelBytes, outBytes] = [16 * FLOAT_BYTES, 32 * FLOAT_BYTES];
  const rowBytes = inColumns * pixelBytes;
  kernels.convWeightGradTilesF32(
    values(inRows * inColumns * 16),
    ...([2 * rowBytes, 2 * pixelBytes, 1, rowBytes, 1, 0, 16] as const),
    values(outHeight * outWidth * 32),
    ...([outWidth * outBytes, outBytes, outHeight, outWidth, 32, OUT_PTR, outBytes, 0] as const),
    values(224 * (16 + 16)),
  );
}

/** 2 x 2 of 3 x 3 taps of 16 channels. */
function runSomeTaps(kernels: KernelExports, values: Values): void {
  const tapBytes = 16 * 8 * FLOAT_BYTES;
  kernels.convSomeTapsF32(
    values(8 * 4 * 16),
    ...([4 * 16 * FLOAT_BYTES, 0, 2, 2 * 16 * FLOAT_BYTES, 2, 16 * FLOAT_BYTES, 16] as const),
    values(3 * 9 * 16 * 8) + tapBytes,
    ...([9 * tapBytes, 3 * tapBytes, tapBytes, values(24), OUT_PTR] as const),
    ...([24 * FLOAT_BYTES, 24 * FLOAT_BYTES, 8, 1, 24] as const),
  );
}

/** Four grains of two samples of 2 x 2 pixels. */
function runFoldedGrad(kernels: KernelExports, values: Values): void {
  const [xPixel, dyPixel] = [IN * FLOAT_BYTES, OUT * FLOAT_BYTES];
  kernels.foldedWeightGradF32(
    values(8 * 4 * IN),
    ...([4 * xPixel, 2 * xPixel, xPixel] as const),
    values(8 * 4 * OUT),
    ...([4 * dyPixel, 2 * dyPixel, dyPixel, 2, 2, 2, 4, IN, OUT, OUT_PTR, dyPixel] as const),
    values(64 * 4),
  );
}

function runProducts(kernels: KernelExports, values: Values): void {
  const [srcPlane, panelsPlane] = [TILES * IN * FLOAT_BYTES, IN * OUT * FLOAT_BYTES];
  kernels.winogradProductsF32(
    values(PLANES * TILES * IN),
    srcPlane,
    ...COUNTS,
    IN,
    values(PLANES * IN * OUT),
    panelsPlane,
    OUT_PTR,
    TILES * OUT * FLOAT_BYTES,
    OUT * FLOAT_BYTES,
    OUT,
  );
}

function runGradProducts(kernels: KernelExports, values: Values): void {
  kernels.winogradGradProductsF32(
    values(PLANES * TILES * IN),
    TILES * IN * FLOAT_BYTES,
    ...COUNTS,
    IN * FLOAT_BYTES,
    IN,
    values(PLANES * TILES * OUT),
    TILES * OUT * FLOAT_BYTES,
    OUT,
    OUT_PTR,
    IN * OUT * FLOAT_BYTES,
    0,
  );
}

/** A full tile and the three kinds of tails: where each begins, its places, and its plane bytes. */
const REGIONS = [
  { top: 0, left: 0, rowPoints: 6, columnPoints: 6 },
  { top: 0, left: 4, rowPoints: 6, columnPoints: 4 },
  { top: 4, left: 0, rowPoints: 4, columnPoints: 6 },
  { top: 4, left: 4, rowPoints: 4, columnPoints: 4 },
] as const;
const REGION_BYTES = PLANES * IMAGE.channels * FLOAT_BYTES;
const REGION_PLANE = IMAGE.channels * FLOAT_BYTES;

function runTransform(
  transform: KernelExports['winogradInputF32'],
  values: Values,
  border: number,
): void {
  const { height, width, channels } = IMAGE;
  const image = values(height * width * channels);
  const lines = values(LINES);
  for (const [i, { top, left, rowPoints, columnPoints }] of REGIONS.entries()) {
    const [y, x] = [top + border, left + border];
    const place = [y, x, 1, 1, rowPoints, columnPoints] as const;
    const toPtr = OUT_PTR + i * REGION_BYTES;
    transform(image, height, width, channels, ...place, lines, toPtr, REGION_PLANE);
  }
}

function runOutput(kernels: KernelExports, values: Values): void {
  const { height, width, channels } = IMAGE;
  const planes = values(PLANES * channels);
  const [lines, bias] = [values(LINES), values(channels)];
  for (const { top, left, rowPoints, columnPoints } of REGIONS) {
    const image = [height, width, channels, top, left] as const;
    const tiles = [1, 1, rowPoints, columnPoints] as const;
    kernels.winogradOutputF32(
      planes,
      REGION_PLANE,
      ...image,
      ...tiles,
      lines,
      bias,
      OUT_PTR,
      OTHER_BYTES,
      1,
    );
  }
}

function runWeights(kernels: KernelExports, values: Values): void {
  const length = IN * OUT;
  const planeBytes = length * FLOAT_BYTES;
  const [panels, turned] = [values(PLANES * length), values(PLANES * length)];
  const [tapBytes, rowBytes] = [planeBytes, OUT * FLOAT_BYTES];
  kernels.winogradWeightsF32(values(9 * length), tapBytes, rowBytes, IN, OUT, panels, planeBytes);
  kernels.winogradTurnPanelsF32(panels, IN, OUT, planeBytes, turned);
  kernels.winogradWeightGradF32(turned, planeBytes, length, values(LINES), OUT_PTR, tapBytes);
}
