// The public function that exports ONNX files, from a net with its weights or from a checkpoint.
// The writer is loaded when it is called.

import * as z from 'zod';
import { optionsSchema, parseData, parseOptions } from '../../base/parse.ts';
import { accept, oneOf } from '../../base/values.ts';
import { namedValues } from '../../checkpoint/foldNorm.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { optionalFlag, shapeOption } from '../../nn/specs/options.ts';
import type { TrainedNet } from './writeNet.ts';

const ONNX_UNITS = ['data', 'net'] as const;

/** The options of {@link exportOnnx}. */
export interface OnnxExportOptions {
  /** Folds batch normalization into the layers before it, like `foldBatchNorm`; default false. */
  readonly fold?: boolean;
  /** Units of inputs and outputs for a checkpoint. With `data`, the file takes inputs in the data's
   * units, bytes as numbers from 0 to 255, and returns predictions in the data's units, like
   * `predict`. With `net`, inputs and targets are standardized. A net with its weights always uses
   * `net`. Default `data`. */
  readonly units?: (typeof ONNX_UNITS)[number];
}

const exportSchema = optionsSchema<OnnxExportOptions>()({
  fold: optionalFlag,
  units: oneOf(ONNX_UNITS).exactOptional(),
});

const isAny = (): boolean => true;
const netSchema = z.looseObject(
  { model: accept<unknown>('a model', isAny), weights: namedValues, inputShape: shapeOption },
  { error: 'the path of a checkpoint, or an object with model, weights and inputShape' },
);

/** An ONNX file of opset 17 that computes what a net does in evaluation. The net is a checkpoint's,
 * by its path, or given with its weights. Its input `x` is float32 [batch, C, H, W], channels
 * first, as are sequences [batch, C, T]; vectors are [batch, F]. The output `main`, and those of
 * the heads by name, are channels first, too; a classifier's are scores, before any softmax. Throws
 * a {@link UsageError} that names layers without ONNX operators, before anything is written.
 *
 * @example
 * await exportOnnx('run.ckpt', { fold: true })
 */
export async function exportOnnx(
  source: string | TrainedNet,
  options: OnnxExportOptions = {},
): Promise<Uint8Array> {
  const { fold = false, units = 'data' } = parseOptions('exportOnnx', exportSchema, options);
  const net = typeof source === 'string' ? undefined : checkedNet(source);
  const { netOfCheckpoint, onnxFile } = await import('./onnxFile.ts');
  if (net !== undefined) return onnxFile(net, { fold, units: undefined }).bytes;
  const saved = await netOfCheckpoint(source as string);
  return onnxFile(saved.net, { fold, units: units === 'data' ? saved.units : undefined }).bytes;
}

function checkedNet(source: TrainedNet): TrainedNet {
  const { model, weights, inputShape } = parseData(netSchema, source, 'net of exportOnnx');
  return { model: parseModel(model, 'model of exportOnnx'), weights, inputShape };
}
