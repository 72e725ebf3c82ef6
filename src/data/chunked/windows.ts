// The sample order of an epoch over chunked data. Chunks are shuffled, then samples within each
// window of chunks, so that only one window's chunks have to be in memory. The order depends only
// on seed and epoch, not on which worker reads the chunks.

import { Purpose, RandomStream } from '../../base/random.ts';
import { identityOrder, shufflePart } from '../loading/sampler.ts';

/** A window of chunks, the samples of which are shuffled together. */
export interface ShuffleWindow {
  /** Samples per chunk; the last chunk of the data may have fewer. */
  readonly chunkSamples: number;
  /** Chunks per window. */
  readonly chunks: number;
  /** Whether chunks keep their order and are not shuffled; default false. */
  readonly inOrder?: boolean;
}

export interface OrderRequest {
  readonly countSamples: number;
  readonly chunkSamples: number;
  readonly seed: number;
  readonly epoch: number;
  /** If false, chunks and samples keep their order. */
  readonly shuffle: boolean;
  /** See {@link ShuffleWindow.inOrder}. */
  readonly inOrder?: boolean | undefined;
}

/** The number of chunks that hold `countSamples` samples. */
export function countChunks(countSamples: number, chunkSamples: number): number {
  return Math.ceil(countSamples / chunkSamples);
}

/** The order of an epoch's chunks. A partial chunk always comes last, so that all windows but the
 * last have the same size. */
export function chunkOrder(request: OrderRequest): Int32Array {
  return shuffledChunks(request, randomOf(request));
}

/** Writes the sample order of an epoch, shuffled within windows. */
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
