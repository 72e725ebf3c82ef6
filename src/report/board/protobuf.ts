// The subset of the protocol buffers wire format that event files need: varints, fixed-size numbers
// and length-delimited fields (https://protobuf.dev/programming-guides/encoding).

/** The wire types, in the low three bits of a tag. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const TYPE_BITS = 3;

/** A byte of a varint holds 7 bits of its number. */
const VARINT_BASE = 128;

/** An encoded field of a message. */
export type Field = Uint8Array;

/** An integer from 0 to 2^53 - 1: int32, int64 or an enum. As in proto3, 0 is omitted. */
export function whole(field: number, value: number): Field {
  return value === 0 ? new Uint8Array() : Buffer.from([...tag(field, VARINT), ...varint(value)]);
}

export function double(field: number, value: number): Field {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, FIXED64), bytes]);
}

export function float(field: number, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, FIXED32), bytes]);
}

export function text(field: number, value: string): Field {
  return delimited(field, Buffer.from(value));
}

/** A nested message. */
export function message(field: number, fields: readonly Field[]): Field {
  return delimited(field, Buffer.concat(fields));
}

function delimited(field: number, bytes: Uint8Array): Field {
  const length = Uint8Array.from(varint(bytes.length));
  return Buffer.concat([tag(field, DELIMITED), length, bytes]);
}

/** Fields up to 15 have a one-byte tag; no others are needed. */
function tag(field: number, type: number): Uint8Array {
  return Uint8Array.of((field << TYPE_BITS) | type);
}

/** Seven bits per byte, lowest first; all but the last have their high bit set. Uses division,
 * since steps may exceed 32 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= VARINT_BASE) {
    bytes.push((rest % VARINT_BASE) + VARINT_BASE);
    rest = Math.floor(rest / VARINT_BASE);
  }
  bytes.push(rest);
  return bytes;
}
