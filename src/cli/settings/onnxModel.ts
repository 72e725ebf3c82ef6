// `--model net.onnx`: a net from an ONNX file. A softmax at its end is left out, since losses take
// what goes into it.

import type { TrainingData } from '../../data/chunked/chunkedDataset.ts';
import type { TrainedNet } from '../../onnx/export/writeNet.ts';
import { importOnnx } from '../../onnx/import/importOnnx.ts';
import { namesOnnx } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';

/** The net of the file that --model names; undefined for models of other kinds. */
export async function onnxNet(flags: Flags, data: TrainingData): Promise<TrainedNet | undefined> {
  if (!namesOnnx(flags)) return undefined;
  return importOnnx(flags.text('model')!, { inputShape: data.inputShape, dropSoftmax: true });
}
