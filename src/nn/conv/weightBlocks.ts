// How many channels of a weight are transformed or packed at once. All of a small weight; of a
// large one a block that stays in the second cache until it has been used: as a whole, what was
// made of it would go to memory and back.

import { FLOAT_BYTES } from '../../base/bytes.ts';

const WHOLE_BYTES = 1024 * 1024;
/** Channels of a register tile in the wide build. */
const BLOCK_MULTIPLE = 16;

/** Of `channels` channels, with so many floats each; a block has about `blockBytes`. */
export function blockOfRows(rows: number, channels: number, blockBytes: number): number {
  const channelBytes = rows * FLOAT_BYTES;
  if (channels * channelBytes <= WHOLE_BYTES) return channels;
  const fitting = Math.floor(blockBytes / channelBytes / BLOCK_MULTIPLE);
  return Math.min(channels, Math.max(1, fitting) * BLOCK_MULTIPLE);
}
