// `--model net.onnx`: a net from an ONNX file. A softmax at its end is dropped, since losses take
// its input.

import type { TrainingData } from '../../data/chunked/chunkedDataset.ts';
import type { TrainedNet } from '../../onnx/export/writeNet.ts';
import { importOnnx } from '../../onnx/import/importOnnx.ts';
import { namesOnnx } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';

/** The net in the file that --model names; undefined for other kinds of models. */
export async function onnxNet(flags: Flags, data: TrainingData): Promise<TrainedNet | undefined> {
  if (!namesOnnx(flags)) return undefined;
  return importOnnx(flags.text('model')!, { inputShape: data.inputShape, dropSoftmax: true });
}
