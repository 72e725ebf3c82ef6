// Makes the bytes of an ONNX file, from a net with its weights or from a checkpoint.

import { readCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { foldBatchNorm } from '../../checkpoint/foldNorm.ts';
import { namedWeights } from '../../checkpoint/state.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { encodeModel } from '../format/encode.ts';
import { type TrainedNet, type Units, writeNet } from './writeNet.ts';

/** The bytes of a checked net, and how many nodes it has. */
export function onnxFile(
  net: TrainedNet,
  { fold, units }: { readonly fold: boolean; readonly units: Units | undefined },
): { readonly bytes: Uint8Array; readonly countNodes: number } {
  const { model, weights, inputShape } = net;
  const folded = fold ? { inputShape, ...foldBatchNorm(model, weights, inputShape) } : net;
  const written = writeNet(folded, units);
  return { bytes: encodeModel(written), countNodes: written.nodes.length };
}

/** The net of a checkpoint, and its data's units. */
export async function netOfCheckpoint(
  path: string,
): Promise<{ readonly net: TrainedNet; readonly units: Units }> {
  const { model, data, tensors } = await readCheckpoint(path);
  const net = {
    model: parseModel(model, `the model of ${path}`),
    weights: namedWeights(tensors),
    inputShape: data.inputShape,
  };
  return { net, units: data };
}
