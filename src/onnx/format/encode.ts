// Encodes an ONNX model from plain data to file bytes, with onnx-buf, which is loaded with this
// file. Tensors are raw, little-endian.

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import * as onnx from 'onnx-buf';
import { InvariantError } from '../../base/errors.ts';
import {
  ELEMENT_TYPES,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './model.ts';

/** The newest format version that readers of opset 17 accept. */
const IR_VERSION = 8n;

const Kind = onnx.AttributeProto_AttributeType;

export function encodeModel(model: OnnxModel): Uint8Array {
  const { opset, producer, nodes, constants, inputs, outputs } = model;
  return toBinary(
    onnx.ModelProtoSchema,
    create(onnx.ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: producer.name,
      producerVersion: producer.version,
      opsetImport: [create(onnx.OperatorSetIdProtoSchema, { version: BigInt(opset) })],
      graph: create(onnx.GraphProtoSchema, {
        name: 'net',
        node: nodes.map(nodeProto),
        initializer: [...constants].map(([name, tensor]) => tensorProto(name, tensor)),
        input: inputs.map(valueProto),
        output: outputs.map(valueProto),
      }),
    }),
  );
}

function nodeProto({ name, op, inputs, outputs, attributes }: OnnxNode): onnx.NodeProto {
  return create(onnx.NodeProtoSchema, {
    name,
    opType: op,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
  });
}

function attributeProto(name: string, attribute: OnnxAttribute): onnx.AttributeProto {
  const text = new TextEncoder();
  const fields = (): MessageInitShape<typeof onnx.AttributeProtoSchema> => {
    switch (attribute.type) {
      case 'int':
        return { type: Kind.INT, i: BigInt(attribute.value) };
      case 'ints':
        return { type: Kind.INTS, ints: attribute.value.map(BigInt) };
      case 'float':
        return { type: Kind.FLOAT, f: attribute.value };
      case 'floats':
        return { type: Kind.FLOATS, floats: [...attribute.value] };
      case 'string':
        return { type: Kind.STRING, s: text.encode(attribute.value) };
      case 'strings':
        return { type: Kind.STRINGS, strings: attribute.value.map((one) => text.encode(one)) };
      case 'tensor':
        return { type: Kind.TENSOR, t: tensorProto('', attribute.value) };
    }
  };
  return create(onnx.AttributeProtoSchema, { ...fields(), name });
}

function tensorProto(name: string, { type, shape, values }: OnnxTensor): onnx.TensorProto {
  return create(onnx.TensorProtoSchema, {
    name,
    dataType: ELEMENT_TYPES[type],
    dims: shape.map(BigInt),
    rawData: rawBytes(type, values),
  });
}

/** The elements in their type, little-endian like all machines that Node runs on. */
function rawBytes(type: OnnxTensor['type'], values: OnnxTensor['values']): Uint8Array<ArrayBuffer> {
  switch (type) {
    case 'float':
      return bytesOf(Float32Array.from(values));
    case 'double':
      return bytesOf(Float64Array.from(values));
    case 'int64':
      return bytesOf(BigInt64Array.from(values, (value) => BigInt(value)));
    case 'int32':
      return bytesOf(Int32Array.from(values));
    case 'bool':
    case 'uint8':
      return Uint8Array.from(values);
    default:
      throw new InvariantError('type of a tensor to write', type, 'float, double, int64 or int32');
  }
}

function bytesOf(values: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function valueProto({ name, type, shape }: OnnxValueInfo): onnx.ValueInfoProto {
  const dim = (shape ?? []).map((size) => {
    const value =
      typeof size === 'number'
        ? ({ case: 'dimValue', value: BigInt(size) } as const)
        : ({ case: 'dimParam', value: size ?? '' } as const);
    return create(onnx.TensorShapeProto_DimensionSchema, { value });
  });
  const tensor = create(onnx.TypeProto_TensorSchema, {
    elemType: ELEMENT_TYPES[type],
    ...(shape !== undefined && { shape: create(onnx.TensorShapeProtoSchema, { dim }) }),
  });
  return create(onnx.ValueInfoProtoSchema, {
    name,
    type: create(onnx.TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}
