// `--model net.onnx`: a net from an ONNX file and the weights that it starts from, unless --weights
// names others. A softmax at its end is left out, since losses take what goes into it.

import type { Dataset } from '../../data/dataset.ts';
import type { TrainedNet } from '../../onnx/export/writeNet.ts';
import { importOnnx } from '../../onnx/import/importOnnx.ts';
import type { TrainerOptions } from '../../runtime/trainerOptions.ts';
import { namesOnnx } from './fineTuneFlags.ts';
import type { Flags } from './flags.ts';

/** The net of the file that --model names; undefined for models of other kinds. */
export async function onnxNet(flags: Flags, data: Dataset): Promise<TrainedNet | undefined> {
  if (!namesOnnx(flags)) return undefined;
  return importOnnx(flags.text('model')!, { inputShape: data.inputShape, dropSoftmax: true });
}

/** The weights of that file; nothing where --weights says which. */
export async function onnxWeights(
  flags: Flags,
  data: Dataset,
): Promise<Pick<TrainerOptions, 'weights' | 'strictWeights'>> {
  const net = flags.has('weights') ? undefined : await onnxNet(flags, data);
  if (net === undefined) return {};
  return { weights: net.weights, strictWeights: !flags.isSet('weights-partial') };
}
