// Decodes the bytes of an ONNX file to a model as plain data, with onnx-buf, which is loaded with
// this file. Files are untrusted: anything invalid is an error that names it, and nothing larger
// than the file is allocated.

import { fromBinary } from '@bufbuild/protobuf';
import * as onnx from 'onnx-buf';
import { UsageError } from '../../base/errors.ts';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxValueInfo } from './model.ts';
import { decodeTensor, typeNamed } from './tensors.ts';

/** The supported operator set versions. */
const OPSETS = { least: 9, most: 17 } as const;
/** More than any net has. Each node is visited several times. */
const MAX_NODES = 100_000;
const OWN_DOMAINS: readonly string[] = ['', 'ai.onnx'];

/** In characters; PyTorch's scopes take a few hundred. */
const MAX_NAME = 1000;

const Kind = onnx.AttributeProto_AttributeType;

/** Throws a {@link UsageError} for bytes that are not an ONNX model, and for unsupported content:
 * other operator sets, weights in external files. `what` names the file. */
export function decodeModel(bytes: Uint8Array, what: string): OnnxModel {
  const model = parse(bytes, what);
  const { graph } = model;
  if (graph === undefined || graph.node.length === 0) {
    throw new UsageError({ what, problem: 'is not an ONNX model with a graph' });
  }
  if (graph.output.length === 0) throw new UsageError({ what, problem: 'has no outputs' });
  if (graph.node.length > MAX_NODES) {
    const allowed = `at most ${MAX_NODES}`;
    throw new UsageError({ what: `nodes of ${what}`, given: graph.node.length, allowed });
  }
  checkNames(graph, what);
  const constants = new Map(
    graph.initializer.map((tensor) => {
      return [tensor.name, decodeTensor(tensor, `${tensor.name} of ${what}`)] as const;
    }),
  );
  return {
    opset: opsetOf(model, what),
    producer: { name: model.producerName, version: model.producerVersion },
    nodes: graph.node.map((node, i) => nodeOf(node, i, what)),
    constants,
    inputs: graph.input.filter(({ name }) => !constants.has(name)).map(valueInfoOf),
    outputs: graph.output.map(valueInfoOf),
  };
}

/** Errors show the names of nodes and tensors, which could be most of a damaged file. */
function checkNames({ node, initializer, input, output }: onnx.GraphProto, what: string): void {
  const names = node.flatMap(({ name, opType, attribute, input, output }) => {
    return [name, opType, ...attribute.map((one) => one.name), ...input, ...output];
  });
  const tensors = [...initializer, ...input, ...output].map(({ name }) => name);
  const long = [...names, ...tensors].find(({ length }) => length > MAX_NAME);
  if (long === undefined) return;
  const allowed = `at most ${MAX_NAME}`;
  throw new UsageError({ what: `characters of a name in ${what}`, given: long.length, allowed });
}

function parse(bytes: Uint8Array, what: string): onnx.ModelProto {
  try {
    return fromBinary(onnx.ModelProtoSchema, bytes);
  } catch {
    throw new UsageError({ what, problem: 'is not an ONNX file, or is truncated' });
  }
}

function opsetOf({ opsetImport }: onnx.ModelProto, what: string): number {
  const own = opsetImport.find(({ domain }) => OWN_DOMAINS.includes(domain));
  const version = Number(own?.version ?? 0n);
  const { least, most } = OPSETS;
  if (version >= least && version <= most) return version;
  throw new UsageError({
    what: `opset of ${what}`,
    given: version,
    allowed: `${least} to ${most}`,
    hint: `exporting it with opset_version=${most}`,
  });
}

function nodeOf(proto: onnx.NodeProto, index: number, what: string): OnnxNode {
  const { opType, domain, input, output } = proto;
  const name = proto.name === '' ? `${opType}_${index}` : proto.name;
  const attributes: Record<string, OnnxAttribute> = {};
  for (const attribute of proto.attribute) {
    const place = `${attribute.name} of ${name} in ${what}`;
    const read = attributeOf(attribute, place);
    if (read !== undefined) attributes[attribute.name] = read;
  }
  const op = OWN_DOMAINS.includes(domain) ? opType : `${domain}.${opType}`;
  return { name, op, inputs: input, outputs: output, attributes };
}

/** Undefined for types that no supported operator has. */
function attributeOf(proto: onnx.AttributeProto, place: string): OnnxAttribute | undefined {
  const text = new TextDecoder();
  switch (proto.type) {
    case Kind.INT:
      return { type: 'int', value: Number(proto.i) };
    case Kind.INTS:
      return { type: 'ints', value: proto.ints.map(Number) };
    case Kind.FLOAT:
      return { type: 'float', value: proto.f };
    case Kind.FLOATS:
      return { type: 'floats', value: proto.floats };
    case Kind.STRING:
      return { type: 'string', value: text.decode(proto.s) };
    case Kind.STRINGS:
      return { type: 'strings', value: proto.strings.map((one) => text.decode(one)) };
    case Kind.TENSOR:
      return proto.t && { type: 'tensor', value: decodeTensor(proto.t, place) };
    default:
      return undefined;
  }
}

function valueInfoOf({ name, type }: onnx.ValueInfoProto): OnnxValueInfo {
  const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
  const shape = tensor?.shape?.dim.map(({ value }) => {
    if (value.case === 'dimValue') return Number(value.value);
    return value.case === 'dimParam' ? value.value : undefined;
  });
  return { name, type: typeNamed(tensor?.elemType ?? 0) ?? 'float', shape };
}
