// The order of an epoch of samples that are read in chunks. Chunks are shuffled, then the samples
// within each window of them, so that only the chunks of a window have to be in memory. A function
// of seed and epoch alone, not of which worker reads the chunks.

import { Purpose, RandomStream } from '../../base/random.ts';
import { identityOrder, shufflePart } from '../loading/sampler.ts';

/** The samples that are shuffled among each other: those of so many chunks. */
export interface ShuffleWindow {
  /** Samples of each chunk but the last one of the data, which may have fewer. */
  readonly chunkSamples: number;
  /** Chunks whose samples are shuffled among each other. */
  readonly chunks: number;
  /** Whether windows are of chunks as they come, which are not shuffled; default false. */
  readonly inOrder?: boolean;
}

export interface OrderRequest {
  readonly countSamples: number;
  readonly chunkSamples: number;
  readonly seed: number;
  readonly epoch: number;
  /** False for chunks and samples as they come. */
  readonly shuffle: boolean;
  /** As {@link ShuffleWindow.inOrder}. */
  readonly inOrder?: boolean | undefined;
}

/** How many chunks so many samples are. */
export function countChunks(countSamples: number, chunkSamples: number): number {
  return Math.ceil(countSamples / chunkSamples);
}

/** The chunks in the order of an epoch. One that is not full comes last in each, so that all
 * windows but the last have the same size. */
export function chunkOrder(request: OrderRequest): Int32Array {
  return shuffledChunks(request, randomOf(request));
}

/** Writes the order of an epoch by windows. */
export function windowedOrder(
  order: Int32Array,
  request: Pick<OrderRequest, 'seed' | 'epoch' | 'shuffle'>,
  { chunkSamples, chunks, inOrder }: ShuffleWindow,
): void {
  if (!request.shuffle) {
    identityOrder(order);
    return;
  }
  const whole = { ...request, countSamples: order.length, chunkSamples, inOrder };
  const random = randomOf(whole);
  let at = 0;
  for (const chunk of shuffledChunks(whole, random)) {
    const end = Math.min((chunk + 1) * chunkSamples, order.length);
    for (let sample = chunk * chunkSamples; sample < end; sample++) order[at++] = sample;
  }
  const windowSamples = chunks * chunkSamples;
  for (let from = 0; from < order.length; from += windowSamples) {
    shufflePart(order, from, Math.min(from + windowSamples, order.length), random);
  }
}

function randomOf({ seed, epoch }: OrderRequest): RandomStream {
  return new RandomStream().reset(seed, Purpose.shuffle, epoch, 0);
}

function shuffledChunks(request: OrderRequest, random: RandomStream): Int32Array {
  const { countSamples, chunkSamples, shuffle, inOrder = false } = request;
  const chunks = new Int32Array(countChunks(countSamples, chunkSamples));
  identityOrder(chunks);
  const full = Math.floor(countSamples / chunkSamples);
  if (shuffle && !inOrder) shufflePart(chunks, 0, full, random);
  return chunks;
}
