// The public function that imports ONNX files: convolutional nets from elsewhere, as models of this
// library with their weights. The reader is loaded when it is called.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { withRegularFile } from '../../base/regularFile.ts';
import type { Shape } from '../../base/shape.ts';
import { optionalFlag, shapeOption } from '../../nn/specs/options.ts';
import type { TrainedNet } from '../export/writeNet.ts';

/** The options of {@link importOnnx}. */
export interface OnnxImportOptions {
  /** Shape of a sample, channels last; needed if the file leaves the image size open. */
  readonly inputShape?: Shape;
  /** Drops a softmax at the end, since `crossEntropy` takes its input; default false. */
  readonly dropSoftmax?: boolean;
}

const importSchema = optionsSchema<OnnxImportOptions>()({
  inputShape: shapeOption.exactOptional(),
  dropSoftmax: optionalFlag,
});

/** File size limit, which is protobuf's. */
const MAX_BYTES = 2 ** 31 - 1;

/** Reads an ONNX file of opset 9 to 17, by its path or from its bytes, as a graph with its weights:
 * `Trainer.start({ model, weights, data })` trains it further, `nn.convertNorm` gives it other
 * norms, `exportOnnx` writes it again. Samples and outputs are channels last here, so images [N, C,
 * H, W] in the file become [N, H, W, C]. Throws a {@link UsageError} for operations that no layer
 * supports, with the node's name, and for damaged files.
 *
 * @example
 * const { model, weights, inputShape } = await importOnnx('net.onnx')
 */
export async function importOnnx(
  source: string | Uint8Array,
  options: OnnxImportOptions = {},
): Promise<TrainedNet> {
  const { inputShape, dropSoftmax = false } = parseOptions('importOnnx', importSchema, options);
  const isPath = typeof source === 'string';
  if (!isPath && !(source instanceof Uint8Array)) {
    const allowed = 'the path of an ONNX file, or its bytes';
    throw new UsageError({ what: 'file of importOnnx', given: source, allowed });
  }
  const what = isPath ? source : 'the ONNX file';
  const bytes = isPath ? await bytesOf(source) : source;
  const { decodeModel } = await import('../format/decode.ts');
  const { readNet } = await import('./readNet.ts');
  return readNet(decodeModel(bytes, what), { what, inputShape, dropSoftmax });
}

function bytesOf(path: string): Promise<Uint8Array> {
  const what = `ONNX file ${path}`;
  return withRegularFile(path, what, async (file, size) => {
    if (size <= MAX_BYTES) return file.readFile();
    throw new UsageError({ what, given: `${size} bytes`, allowed: `at most ${MAX_BYTES}` });
  });
}
