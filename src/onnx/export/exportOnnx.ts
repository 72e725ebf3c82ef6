// The door to ONNX files that are written, of a net with its weights or of a checkpoint. What
// writes them is loaded when it is called.

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
  /** Folds batch normalization into the layers before it as `foldBatchNorm` does; default
   * false. */
  readonly fold?: boolean;
  /** Of a checkpoint: `data` lets the file take inputs as the data has them, bytes as numbers from
   * 0 to 255, and give predictions in the units of the data, as `predict` does; `net` leaves inputs
   * and targets standardized, as the net has them. Of a net with its weights it is always `net`.
   * Default `data`. */
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

/** An ONNX file of opset 17 with what a net computes in evaluation: that of a checkpoint, by its
 * path, or one with its weights. Its input `x` is float32 [batch, C, H, W], channels first, as are
 * sequences [batch, C, T]; vectors are [batch, F]. The output `main`, and those of the net's heads
 * by their names, have their channels first, too; of a classifier they are scores, before any
 * softmax. Throws a {@link UsageError} that names the layers that ONNX has no operators for, before
 * anything is written.
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
