// Writes a sample as the first activation: normalized and, in training, augmented by the image
// kernels. They read only the arena, so a sample outside it is first copied into it. Runs inside
// the workers and allocates nothing per sample; the dataset itself never changes.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { assertSame } from '../../base/errors.ts';
import { Purpose, RandomStream } from '../../base/random.ts';
import { channelsOf, type Shape, sizeOf } from '../../base/shape.ts';
import type { ImageKernels } from '../../kernels/abi/images.ts';
import type { Dataset, InputType } from '../dataset.ts';
import type { SplitView } from '../stored/storedSamples.ts';
import type { AugmentationPlan } from './augment.ts';
import {
  DRAWN_DX,
  DRAWN_DY,
  DRAWN_FLIP,
  DRAWN_LENGTH,
  drawAugmentation,
} from './drawAugmentation.ts';

const BYTE_VALUES = 256;
const BYTE_RANGE = 255;
const WORD_BYTES = 4;

/** Every normalized byte: [value * C + c] = (value / 255 - mean_c) / std_c, computed in float64 and
 * rounded once to float32. Length 256 * C. */
export function normalizationTable(mean: readonly number[], std: readonly number[]): Float32Array {
  const channels = mean.length;
  assertSame('channels of std', std.length, channels);
  const table = new Float32Array(BYTE_VALUES * channels);
  for (let value = 0; value < BYTE_VALUES; value++) {
    for (let c = 0; c < channels; c++) {
      table[value * channels + c] = (value / BYTE_RANGE - mean[c]!) / std[c]!;
    }
  }
  return table;
}

/** The numbers that normalize floats: C means, then C times 1 / std, each rounded to float32. The
 * kernel subtracts first, so a large mean costs only its own rounding, which is the same for all
 * samples. */
export function normalizationVectors(
  mean: readonly number[],
  std: readonly number[],
): Float32Array {
  assertSame('channels of std', std.length, mean.length);
  return Float32Array.from([...mean, ...std.map((s) => 1 / s)]);
}

/** The data that this dataset's loader expects at `normalizationPtr`, for any input type. */
export function normalizationOf({
  inputType,
  mean,
  std,
}: Pick<Dataset, 'inputType' | 'mean' | 'std'>): Float32Array {
  return inputType === 'u8' ? normalizationTable(mean, std) : normalizationVectors(mean, std);
}

/** Returns the address to read a sample's values from. */
export type InputLocator = (sample: number) => number;

/** Bytes of a sample's inputs. */
export function sampleBytesOf({
  inputShape,
  inputType,
}: Pick<Dataset, 'inputShape' | 'inputType'>): number {
  return sizeOf(inputShape) * (inputType === 'u8' ? 1 : FLOAT_BYTES);
}

/** Locates samples that are in the arena, one after another from `ptr` on. */
export function locateInArena(ptr: number, sampleBytes: number): InputLocator {
  return (sample) => ptr + sample * sampleBytes;
}

/** Locates samples outside the arena: copies each to a staging place in it. */
export function locateStaged(
  view: SplitView,
  { memory, ptr, sampleBytes }: StagingPlace,
): InputLocator {
  const areWords =
    sampleBytes % WORD_BYTES === 0 &&
    view.slots.every(({ inputs }) => inputs.byteOffset % WORD_BYTES === 0);
  // Copying words is four times as fast.
  const unitsOf = areWords ? wordsOf : bytesOf;
  const length = areWords ? sampleBytes / WORD_BYTES : sampleBytes;
  const staged = unitsOf(new Uint8Array(memory.buffer, ptr, sampleBytes));
  const slots = view.slots.map(({ inputs }) => unitsOf(inputs));
  return (sample) => {
    const from = slots[view.slotOf(sample)]!;
    const first = view.rowOf(sample) * length;
    for (let i = 0; i < length; i++) staged[i] = from[first + i]!;
    return ptr;
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array | Int32Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function wordsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array | Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / WORD_BYTES);
}

/** Where {@link locateStaged} copies a sample to. */
export interface StagingPlace {
  readonly memory: WebAssembly.Memory;
  readonly ptr: number;
  readonly sampleBytes: number;
}

export interface InputLoaderOptions {
  readonly kernels: ImageKernels;
  /** Shape of one sample. Axes before the last two count as height: [F] is 1 x 1 x F. */
  readonly inputShape: Shape;
  readonly inputType: InputType;
  readonly locate: InputLocator;
  /** Address of the numbers from {@link normalizationOf} in the arena. */
  readonly normalizationPtr: number;
  /** For `loadAugmented`; null without augmentation. */
  readonly augmentation: AugmentationPlan | null;
  readonly seed: number;
}

/** Writes single samples as float32 activations. */
export interface InputLoader {
  /** Writes sample `sample` of the split, normalized, to `dstPtr`: sizeOf(inputShape) floats. */
  load(sample: number, dstPtr: number): void;
  /** The same, augmented according to (seed, `step`, `position`). `position` is the sample's place
   * in the global batch, so the result does not depend on the worker that loads it. */
  loadAugmented(sample: number, dstPtr: number, step: number, position: number): void;
}

/** Binds a loader to the arena. Its two functions then allocate nothing. */
export function createInputLoader(options: InputLoaderOptions): InputLoader {
  const { kernels, inputShape, inputType, locate, normalizationPtr, augmentation, seed } = options;
  const channels = channelsOf(inputShape);
  const width = inputShape.length >= 2 ? inputShape[inputShape.length - 2]! : 1;
  const height = sizeOf(inputShape) / (channels * width);
  const invStdPtr = normalizationPtr + channels * FLOAT_BYTES;
  const random = new RandomStream();
  const drawn = new Int32Array(DRAWN_LENGTH);

  const move = (sample: number, dstPtr: number, dy: number, dx: number, flip: number): void => {
    const srcPtr = locate(sample);
    if (inputType === 'u8') {
      kernels.loadImageU8(srcPtr, dstPtr, height, width, channels, normalizationPtr, dy, dx, flip);
    } else {
      const meanPtr = normalizationPtr;
      kernels.loadImageF32(
        srcPtr,
        dstPtr,
        height,
        width,
        channels,
        meanPtr,
        invStdPtr,
        dy,
        dx,
        flip,
      );
    }
  };
  const load = (sample: number, dstPtr: number): void => move(sample, dstPtr, 0, 0, 0);
  const loadAugmented = (sample: number, dstPtr: number, step: number, position: number): void => {
    if (augmentation === null) {
      load(sample, dstPtr);
      return;
    }
    random.reset(seed, Purpose.augment, step, position);
    drawAugmentation(random, augmentation, drawn);
    move(sample, dstPtr, drawn[DRAWN_DY]!, drawn[DRAWN_DX]!, drawn[DRAWN_FLIP]!);
  };
  return { load, loadAugmented };
}
