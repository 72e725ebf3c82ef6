// Finds the arrays of a call: in the group's shared memory, at an address, or elsewhere.

import { ELEMENT_BYTES, type NumberArray, type NumberType, TYPE_CODES, typeOf } from './arrays.ts';

/** An array and its place. */
export interface Place {
  readonly array: NumberArray;
  readonly type: NumberType;
  /** The type's part of a code; see arrays.ts. */
  readonly typeCode: number;
  readonly elementBytes: number;
  /** Its address in the group's memory, 0 if it is elsewhere. */
  readonly ptr: number;
  /** The group's whole memory, with the same type. */
  readonly view: NumberArray;
}

/** Finds the places of arrays. */
export class Places {
  private readonly buffer: ArrayBufferLike;
  private readonly views: Readonly<Record<NumberType, NumberArray>>;
  private readonly keptBytes: number;
  /** The last two small arrays: getting the buffer of an array takes 40 ns, a tenth of a whole call
   * on a few elements, and inner loops use the same arrays repeatedly. */
  private recent: Place | undefined;
  private older: Place | undefined;

  /** Arrays of at most `keptBytes` are kept until others are used. */
  constructor(memory: WebAssembly.Memory, keptBytes: number) {
    const { buffer } = memory;
    this.buffer = buffer;
    this.keptBytes = keptBytes;
    this.views = {
      float32: new Float32Array(buffer),
      float64: new Float64Array(buffer),
      int32: new Int32Array(buffer),
      uint8: new Uint8Array(buffer),
    };
  }

  /** The place of an array. Throws a UsageError that names `what` for other values. */
  find(what: string, array: NumberArray): Place {
    const { recent, older } = this;
    if (recent !== undefined && recent.array === array) return recent;
    if (older !== undefined && older.array === array) {
      this.older = this.recent;
      this.recent = older;
      return older;
    }
    const type = typeOf(what, array);
    const place = {
      array,
      type,
      typeCode: TYPE_CODES[type],
      elementBytes: ELEMENT_BYTES[type],
      ptr: array.buffer === this.buffer ? array.byteOffset : 0,
      view: this.views[type],
    };
    if (array.byteLength <= this.keptBytes) {
      this.older = this.recent;
      this.recent = place;
    }
    return place;
  }
}
