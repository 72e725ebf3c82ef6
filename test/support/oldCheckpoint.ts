// Checkpoints of the first format, as version 0.1.0 wrote them: one MessagePack map, with typed
// arrays as extension types. They stay readable.

import { ExtensionCodec, encode } from '@msgpack/msgpack';

const MAX_DEPTH = 8000;
const codec = new ExtensionCodec();
const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
codec.register({
  type: 1,
  encode: (value) => (value instanceof Float32Array ? bytesOf(value) : null),
  decode: () => null,
});
codec.register({
  type: 2,
  encode: (value) => (value instanceof Float64Array ? bytesOf(value) : null),
  decode: () => null,
});

/** The file of a checkpoint with this content, valid or not. */
export function oldCheckpointFile(content: object): Uint8Array {
  const file = { format: 'syncbn checkpoint', version: 1, ...content };
  return encode(file, { extensionCodec: codec, maxDepth: MAX_DEPTH });
}
