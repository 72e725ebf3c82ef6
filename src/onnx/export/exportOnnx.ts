// The door to ONNX files that are written: a net with its weights, or a checkpoint. What writes them
// is loaded when it is called.

import * as z from 'zod';
import { optionsSchema, parseData, parseOptions } from '../../base/parse.ts';
import { accept, oneOf } from '../../base/values.ts';
import { readCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { foldBatchNorm, type NamedValues } from '../../checkpoint/foldNorm.ts';
import { namedWeights } from '../../checkpoint/state.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { optionalFlag, shapeOption } from '../../nn/specs/options.ts';
import type { TrainedNet, Units } from './writeNet.ts';

const ONNX_UNITS = ['data', 'net'] as const;

export interface OnnxExportOptions {
  /** Folds batch normalization into the layers before it, as `foldBatchNorm` does; default false. */
  readonly fold?: boolean;
  /** Of a checkpoint: `data` lets the file take inputs as the data has them, bytes as numbers from 0
   * to 255, and give predictions in the units of the data, as `predict` does; `net` leaves inputs
   * and targets standardized, as the net has them. A net of its own is always `net`. Default
   * `data`. */
  readonly units?: (typeof ONNX_UNITS)[number];
}

const exportSchema = optionsSchema<OnnxExportOptions>()({
  fold: optionalFlag,
  units: oneOf(ONNX_UNITS).exactOptional(),
});

const isAny = (): boolean => true;
const netSchema = z.looseObject({
  model: accept<unknown>('a model', isAny),
  weights: accept<NamedValues>('a Map of tensors by name, such as trainer.weights()', (given) => {
    return given instanceof Map;
  }),
  inputShape: shapeOption,
});

/** An ONNX file of opset 17 with what a net computes in evaluation: that of a checkpoint, by its
 * path, or one with its weights. Its input `x` is float32 [batch, C, H, W], channels first, as are
 * sequences [batch, C, T]; vectors are [batch, F]. The output `main`, and those of the net's heads
 * by their names, have their channels first, too; of a classifier they are scores, before any
 * softmax. Throws a {@link UsageError} that names the layers that ONNX has no operators for, before
 * anything is written. */
export async function exportOnnx(
  source: string | TrainedNet,
  options: OnnxExportOptions = {},
): Promise<Uint8Array> {
  const { fold = false, units = 'data' } = parseOptions('exportOnnx', exportSchema, options);
  const found = typeof source === 'string' ? await netOf(source) : { net: checkedNet(source) };
  const { model, weights, inputShape } = found.net;
  const net = fold ? { inputShape, ...foldBatchNorm(model, weights, inputShape) } : found.net;
  const { writeNet } = await import('./writeNet.ts');
  const written = writeNet(net, units === 'data' ? found.units : undefined);
  const { encodeModel } = await import('../format/encode.ts');
  return encodeModel(written);
}

function checkedNet(source: TrainedNet): TrainedNet {
  const { model, weights, inputShape } = parseData(netSchema, source, 'net of exportOnnx');
  return { model: parseModel(model, 'model of exportOnnx'), weights, inputShape };
}

async function netOf(path: string): Promise<{ readonly net: TrainedNet; readonly units?: Units }> {
  const { model, data, tensors } = await readCheckpoint(path);
  const net = {
    model: parseModel(model, `the model of ${path}`),
    weights: namedWeights(tensors),
    inputShape: data.inputShape,
  };
  return { net, units: data };
}
