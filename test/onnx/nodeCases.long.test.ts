// The cases that ONNX publishes for its operators (Debian's libonnx-testdata), through importOnnx:
// the listed ones agree, and no other gives a wrong result: each is refused for a known reason.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { importOnnx } from '../../src/index.ts';
import { decodeModel } from '../../src/onnx/format/decode.ts';
import { encodeModel } from '../../src/onnx/format/encode.ts';
import type { OnnxTensor } from '../../src/onnx/format/model.ts';
import { decodeTensor } from '../../src/onnx/format/tensors.ts';
import { transposed } from '../../src/onnx/format/transpose.ts';
import { worstRelative } from '../support/layers/harness.ts';
import { channelsFirstShape, ourOutputs, toChannelsFirst } from '../support/onnx/runtime.ts';

const folder = '/usr/share/libonnx-testdata/data/node';

/** Those that can be imported and agree. */
const CLAIMED: readonly string[] = [
  'averagepool_1d_default',
  'averagepool_2d_ceil',
  'averagepool_2d_default',
  'averagepool_2d_precomputed_pads',
  'averagepool_2d_precomputed_pads_count_include_pad',
  'averagepool_2d_precomputed_same_upper',
  'averagepool_2d_precomputed_strides',
  'averagepool_2d_same_lower',
  'averagepool_2d_same_upper',
  'averagepool_2d_strides',
  'basic_conv_with_padding',
  'basic_conv_without_padding',
  'batchnorm_epsilon',
  'batchnorm_example',
  'celu_expanded',
  'clip',
  'clip_default_max',
  'clip_default_min',
  'conv_with_autopad_same',
  'conv_with_strides_and_asymmetric_padding',
  'conv_with_strides_no_padding',
  'conv_with_strides_padding',
  'convtranspose',
  'convtranspose_autopad_same',
  'convtranspose_dilations',
  'convtranspose_kernel_shape',
  'convtranspose_output_shape',
  'convtranspose_pad',
  'convtranspose_pads',
  'dropout_default',
  'dropout_default_ratio',
  'dropout_random_old',
  'gemm_alpha',
  'gemm_beta',
  'gemm_default_no_bias',
  'gemm_default_scalar_bias',
  'gemm_default_single_elem_vector_bias',
  'gemm_default_vector_bias',
  'gemm_default_zero_bias',
  'gemm_transposeB',
  'hardswish',
  'hardswish_expanded',
  'identity',
  'leakyrelu',
  'leakyrelu_default',
  'matmul_2d',
  'maxpool_1d_default',
  'maxpool_2d_ceil',
  'maxpool_2d_default',
  'maxpool_2d_precomputed_pads',
  'maxpool_2d_precomputed_same_upper',
  'maxpool_2d_precomputed_strides',
  'maxpool_2d_same_lower',
  'maxpool_2d_same_upper',
  'maxpool_2d_strides',
  'relu',
  'resize_upsample_scales_linear',
  'resize_upsample_scales_linear_align_corners',
  'resize_upsample_scales_nearest',
  'sigmoid',
  'slice_end_out_of_bounds',
  'slice_neg',
  'softmax_axis_1',
  'softmax_example',
  'softmax_large_number',
  'tanh',
  'transpose_all_permutations_0',
  'transpose_all_permutations_1',
  'upsample_nearest',
];

/** Of constants that encodeModel writes. */
const WRITTEN: readonly string[] = ['float', 'double', 'int64', 'int32'];

interface Case {
  readonly bytes: Uint8Array;
  readonly x: OnnxTensor;
  readonly expected: OnnxTensor;
}

function tensorOf(path: string): OnnxTensor {
  return decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), path);
}

/** A case whose first input are the samples; what else goes into it are constants of the net.
 * Undefined where nothing goes in, or constants of that type cannot be written. */
function caseOf(name: string): Case | undefined {
  const data = join(folder, `test_${name}`, 'test_data_set_0');
  const model = decodeModel(readFileSync(join(folder, `test_${name}`, 'model.onnx')), name);
  const constants = new Map(model.constants);
  for (const [i, input] of model.inputs.entries()) {
    if (i > 0) constants.set(input.name, tensorOf(join(data, `input_${i}.pb`)));
  }
  const cannot = [...constants.values()].some(({ type }) => !WRITTEN.includes(type));
  if (cannot || model.inputs.length === 0) return undefined;
  const bytes = encodeModel({ ...model, constants, inputs: model.inputs.slice(0, 1) });
  const x = tensorOf(join(data, 'input_0.pb'));
  return { bytes, x, expected: tensorOf(join(data, 'output_0.pb')) };
}

/** How far our outputs are from the published ones, to the largest of them. */
async function difference({ bytes, x, expected }: Case): Promise<number> {
  const { model, weights, inputShape } = await importOnnx(bytes);
  const last = [0, ...inputShape.slice(1).map((_, i) => i + 2), 1];
  const samples = Float32Array.from(transposed(Float32Array.from(x.values), x.shape, last));
  const { y, outputShape } = ourOutputs(model, weights, { inputShape, x: samples });
  const isLast = `${expected.shape.slice(1)}` !== `${channelsFirstShape(outputShape)}`;
  return worstRelative(isLast ? y : toChannelsFirst(y, outputShape), expected.values);
}

/** `agrees`, `differs`, or why it is refused. */
async function outcome(name: string): Promise<string> {
  try {
    const one = caseOf(name);
    if (one === undefined) return 'refused here';
    return (await difference(one)) <= 1e-5 ? 'agrees' : 'differs';
  } catch (error) {
    if (error instanceof UsageError) return `refused: ${error.message}`;
    throw error;
  }
}

describe.skipIf(!existsSync(folder))("ONNX's operator test cases", () => {
  it('agree if they are listed, and are refused otherwise', async () => {
    const names = readdirSync(folder).map((one) => one.replace('test_', ''));
    expect(names.length).toBeGreaterThan(900);
    const agreeing: string[] = [];
    const wrong: string[] = [];
    for (const name of names) {
      const found = await outcome(name);
      if (found === 'agrees') agreeing.push(name);
      else if (!found.startsWith('refused')) wrong.push(name);
    }
    expect(wrong).toEqual([]);
    expect(agreeing.sort()).toEqual([...CLAIMED].sort());
  });
});
