// Reads TensorFlow's event files: TFRecord framing, both checksums of each record, and of the
// protocol buffers what scalars, texts and restarts need (tensorboard/compat/proto). A decoder of
// its own: it shares no code with what writes them.

/** One event, with the values of its summary by tag. */
export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  /** 1 for START. */
  readonly sessionStatus?: number;
  readonly scalars: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
}

/** All events of a file. Throws where a record is cut off or a checksum is wrong. */
export function readEvents(file: Uint8Array): ReadEvent[] {
  return recordsOf(file).map(eventOf);
}

/** The data of all records of a file. */
export function recordsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const records: Uint8Array[] = [];
  let at = 0;
  while (at < file.length) {
    const length = Number(view.getBigUint64(at, true));
    if (unmasked(view.getUint32(at + 8, true)) !== slowCrc(file.subarray(at, at + 8))) {
      throw new Error(`the checksum of the length at ${at}`);
    }
    const data = file.subarray(at + 12, at + 12 + length);
    if (unmasked(view.getUint32(at + 12 + length, true)) !== slowCrc(data)) {
      throw new Error(`the checksum of the data at ${at}`);
    }
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** The checksum that was masked: take off the delta, turn 15 bits left. */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated << 15) | (rotated >>> 17)) >>> 0;
}

/** CRC-32C bit by bit: the polynomial 0x1EDC6F41, reflected. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

interface Decoded {
  readonly field: number;
  /** A varint, or a fixed number's bits. */
  readonly bits: bigint;
  readonly bytes: Uint8Array;
}

/** The fields of a message in their order. */
function fieldsOf(bytes: Uint8Array): Decoded[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Decoded[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, type] = [tag >> 3, tag & 7];
    const none = new Uint8Array();
    if (type === 0) fields.push({ field, bits: varint(), bytes: none });
    else if (type === 1) {
      fields.push({ field, bits: view.getBigUint64(at, true), bytes: none });
      at += 8;
    } else if (type === 5) {
      fields.push({ field, bits: BigInt(view.getUint32(at, true)), bytes: none });
      at += 4;
    } else if (type === 2) {
      const length = Number(varint());
      fields.push({ field, bits: 0n, bytes: bytes.subarray(at, at + length) });
      at += length;
    } else throw new Error(`wire type ${type}`);
  }
  return fields;
}

function find(bytes: Uint8Array, ...path: readonly number[]): Decoded | undefined {
  const [field, ...rest] = path;
  const found = fieldsOf(bytes).find((one) => one.field === field);
  return found === undefined || rest.length === 0 ? found : find(found.bytes, ...rest);
}

function eventOf(record: Uint8Array): ReadEvent {
  const scalars: Record<string, number> = {};
  const texts: Record<string, string> = {};
  const summary = find(record, 5)?.bytes ?? new Uint8Array();
  for (const { bytes: value } of fieldsOf(summary)) {
    const tag = textOf(find(value, 1)!);
    const simple = find(value, 2);
    if (simple !== undefined) {
      scalars[tag] = new Float32Array(Uint32Array.of(Number(simple.bits)).buffer)[0]!;
    } else if (textOf(find(value, 9, 1, 1)!) === 'text') texts[tag] = textOf(find(value, 8, 8)!);
  }
  const version = find(record, 3);
  const status = find(record, 7, 1);
  const wall = BigUint64Array.of(find(record, 1)!.bits);
  return {
    wallTime: new Float64Array(wall.buffer)[0]!,
    step: Number(find(record, 2)?.bits ?? 0),
    ...(version && { fileVersion: textOf(version) }),
    ...(status && { sessionStatus: Number(status.bits) }),
    scalars,
    texts,
  };
}

function textOf({ bytes }: Decoded): string {
  return Buffer.from(bytes).toString();
}
