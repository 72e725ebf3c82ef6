// How many channels of a weight are transformed or packed at once. A small weight is processed
// whole. A large one is split into blocks that stay in the L2 cache until they are used; otherwise
// the result would go to memory and back.

import { FLOAT_BYTES } from '../../base/bytes.ts';

const WHOLE_BYTES = 1024 * 1024;
/** Channels of a register tile in the wide build. */
const BLOCK_MULTIPLE = 16;

/** The number of channels in a block of about `blockBytes` bytes, out of `channels` with `rows`
 * floats each. */
export function blockOfRows(rows: number, channels: number, blockBytes: number): number {
  const channelBytes = rows * FLOAT_BYTES;
  if (channels * channelBytes <= WHOLE_BYTES) return channels;
  const fitting = Math.floor(blockBytes / channelBytes / BLOCK_MULTIPLE);
  return Math.min(channels, Math.max(1, fitting) * BLOCK_MULTIPLE);
}
