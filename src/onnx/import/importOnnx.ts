// The door to ONNX files that are read: convolutional nets made elsewhere, as models of this
// library with their weights. What reads them is loaded when it is called.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { withRegularFile } from '../../base/regularFile.ts';
import type { Shape } from '../../base/shape.ts';
import { optionalFlag, shapeOption } from '../../nn/specs/options.ts';
import type { TrainedNet } from '../export/writeNet.ts';

/** The options of {@link importOnnx}. */
export interface OnnxImportOptions {
  /** Of a sample, channels last; needed where the file leaves the size of its images open. */
  readonly inputShape?: Shape;
  /** Leaves out a softmax at the end, since `crossEntropy` takes what goes into it; default
   * false. */
  readonly dropSoftmax?: boolean;
}

const importSchema = optionsSchema<OnnxImportOptions>()({
  inputShape: shapeOption.exactOptional(),
  dropSoftmax: optionalFlag,
});

/** Of files, for protobuf's own limit. */
const MAX_BYTES = 2 ** 31 - 1;

/** Reads an ONNX file of opset 9 to 17, by its path or from its bytes, as a graph with its weights:
 * `Trainer.start({ model, weights, data })` trains it further, `nn.convertNorm` gives it other
 * norms, `exportOnnx` writes it again. Samples and outputs are channels last here, so that images
 * [N, C, H, W] of the file are [N, H, W, C]. Throws a {@link UsageError} that names the node for
 * what layers here cannot do, and for files that are damaged.
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
