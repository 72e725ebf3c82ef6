// The cases that ONNX publishes for its operators (Debian's libonnx-testdata) as plain data: a node
// with its settings, and tensors that go in and come out.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { type AttributeProto, ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import type { OnnxTensor } from '../../../src/onnx/format/model.ts';
import { decodeTensor } from '../../../src/onnx/format/tensors.ts';

const FOLDER = '/usr/share/libonnx-testdata/data/node';

export const hasOperatorCases = existsSync(FOLDER);

/** Without those that say the same in smaller operators. */
export function operatorCaseNames(begins: RegExp): readonly string[] {
  const names = readdirSync(FOLDER).map((name) => name.replace('test_', ''));
  return names.filter((name) => begins.test(name) && !name.endsWith('_expanded')).sort();
}

export interface OperatorCase {
  readonly op: string;
  /** By their place; undefined where one is left out. */
  readonly inputs: readonly (OnnxTensor | undefined)[];
  readonly outputs: readonly (OnnxTensor | undefined)[];
  number(name: string, otherwise: number): number;
  text(name: string, otherwise: string): string;
}

export function operatorCase(name: string): OperatorCase {
  const folder = join(FOLDER, `test_${name}`);
  const data = join(folder, 'test_data_set_0');
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(join(folder, 'model.onnx')));
  const [node] = graph!.node;
  const attributes = new Map<string, AttributeProto>(node!.attribute.map((one) => [one.name, one]));
  const tensors = (names: readonly string[], kind: 'input' | 'output') => {
    let count = 0;
    return names.map((own) => {
      if (own === '') return undefined;
      const file = join(data, `${kind}_${count++}.pb`);
      return decodeTensor(fromBinary(TensorProtoSchema, readFileSync(file)), file);
    });
  };
  return {
    op: node!.opType,
    inputs: tensors(node!.input, 'input'),
    outputs: tensors(node!.output, 'output'),
    number(key, otherwise) {
      const found = attributes.get(key);
      if (found === undefined) return otherwise;
      return found.f !== 0 ? found.f : Number(found.i);
    },
    text: (key, otherwise) => {
      const found = attributes.get(key);
      return found === undefined ? otherwise : new TextDecoder().decode(found.s);
    },
  };
}
