// Decodes the constants of ONNX files, raw bytes or lists of numbers of each type, as this
// library's floats. Lengths are checked before anything is allocated.

import type { TensorProto } from 'onnx-buf';
import { UsageError } from '../../base/errors.ts';
import { showShape, sizeOf } from '../../base/shape.ts';
import { ELEMENT_TYPES as NUMBERS } from '../../interop/elementTypes.ts';
import { ELEMENT_TYPES, type OnnxTensor, type OnnxType } from './model.ts';

/** The value of `dataLocation` for external files. */
const EXTERNAL = 1;

/** Safetensors' names of the types. */
const NAMES: Readonly<Record<OnnxType, keyof typeof NUMBERS>> = {
  float: 'F32',
  double: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  uint8: 'U8',
  int8: 'I8',
  uint16: 'U16',
  int16: 'I16',
  int32: 'I32',
  uint32: 'U32',
  int64: 'I64',
  bool: 'BOOL',
};

/** The type with a number in ONNX; undefined for unsupported ones. */
export function typeNamed(number: number): OnnxType | undefined {
  const found = Object.entries(ELEMENT_TYPES).find(([, one]) => one === number);
  return found?.[0] as OnnxType | undefined;
}

/** Throws a {@link UsageError} that names the tensor. */
export function decodeTensor(proto: TensorProto, what: string): OnnxTensor {
  const type = typeNamed(proto.dataType);
  if (type === undefined) {
    throw new UsageError({
      what: `type of ${what}`,
      given: proto.dataType,
      allowed: 'floats of 16 to 64 bits, integers or bool',
    });
  }
  if (proto.dataLocation === EXTERNAL || proto.externalData.length > 0) {
    const hint = 'saving the model with its weights in one file';
    throw new UsageError({ what, problem: 'is in another file', hint });
  }
  const shape = proto.dims.map(Number);
  const length = sizeOf(shape);
  const raw = proto.rawData;
  const listed = raw.length > 0 ? undefined : listOf(proto, type);
  const held = listed === undefined ? raw.length / NUMBERS[NAMES[type]].bytes : listed.length;
  if (shape.some((size) => size < 0) || held !== length) {
    throw new UsageError({
      what,
      given: `shape ${showShape(shape)}, ${held} values`,
      allowed: 'as many values as its shape requires',
    });
  }
  const values = listed === undefined ? ofBytes(raw, type, what) : ofList(listed, type, what);
  return { type, shape, values };
}

/** The bytes are part of the file and may be unaligned. */
function ofBytes(raw: Uint8Array, type: OnnxType, what: string): OnnxTensor['values'] {
  const own = new Uint8Array(raw).buffer;
  // Ends of slices may be the largest int64.
  if (type === 'int64') return Float64Array.from(new BigInt64Array(own), Number);
  return NUMBERS[NAMES[type]].decode(own, what);
}

/** Halves are listed as their bit patterns. */
function ofList(
  listed: readonly (number | bigint)[],
  type: OnnxType,
  what: string,
): OnnxTensor['values'] {
  if (type === 'float16' || type === 'bfloat16') {
    return NUMBERS[NAMES[type]].decode(Uint16Array.from(listed, Number).buffer, what);
  }
  return type === 'float' ? Float32Array.from(listed, Number) : Float64Array.from(listed, Number);
}

/** The field that holds the elements of a type, if they are not raw. */
function listOf(proto: TensorProto, type: OnnxType): readonly (number | bigint)[] {
  switch (type) {
    case 'float':
      return proto.floatData;
    case 'double':
      return proto.doubleData;
    case 'int64':
      return proto.int64Data;
    case 'uint32':
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}
