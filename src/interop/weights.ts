// Weights in files that others read and write: what is public of it, checked. What does it is
// loaded with the first file (weightsFile.ts).

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { refuseExistingFile } from '../base/regularFile.ts';
import type { Shape } from '../base/shape.ts';
import { accept, anything } from '../base/values.ts';
import { type NamedValues, namedValues } from '../checkpoint/foldNorm.ts';
import { parseModel } from '../nn/models/parse.ts';
import { optionalFlag, shapeOption } from '../nn/specs/options.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** What a file's names and layouts are to be matched with. */
export interface WeightsModel {
  /** As it is trained, with its normalizations converted if they are to be. */
  readonly model: LayerSpec;
  /** Of a sample, channels last: what follows a flatten depends on it. */
  readonly inputShape: Shape;
}

/** The options of {@link readWeights}. */
export interface ReadWeightsOptions extends WeightsModel {
  /** Turns each name of a safetensors file into PyTorch's name in this model. Default: as it is,
   * without `module.`, `_orig_mod.` or `model.` where wrappers put these before all names. */
  readonly rename?: (name: string) => string;
}

/** The options of {@link writeWeights}. */
export interface WriteWeightsOptions extends WeightsModel {
  /** What the file says of itself; default `{ format: 'pt' }`, without which Transformers reads no
   * file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Lets it replace a file that is there; default false. */
  readonly overwrite?: boolean;
}

const aFunction = accept<(name: string) => string>('a function', (given) => {
  return typeof given === 'function';
});
const texts = accept<Readonly<Record<string, string>>>('an object of strings', (given) => {
  return isObject(given) && Object.values(given).every((value) => typeof value === 'string');
});
const readSchema = optionsSchema<ReadWeightsOptions>()({
  model: anything<LayerSpec>('the model, a layer such as nn.sequential([...])'),
  inputShape: shapeOption,
  rename: aFunction.exactOptional(),
});
const writeSchema = optionsSchema<WriteWeightsOptions>()({
  model: anything<LayerSpec>('the model, a layer such as nn.sequential([...])'),
  inputShape: shapeOption,
  metadata: texts.exactOptional(),
  overwrite: optionalFlag,
});
const path = accept<string>('the path of a file', (given) => {
  return typeof given === 'string' && given !== '';
});

const ENDING = '.safetensors';

/** Whether a file is taken for one of safetensors, which its name says. */
export function isSafetensorsPath(file: string): boolean {
  return file.toLowerCase().endsWith(ENDING);
}

/** Reads weights and running statistics for a model: from a checkpoint, or from a safetensors file
 * with PyTorch's names and layouts. They come by our names in our layouts, as `trainer.weights()`
 * gives them and `Trainer.start({ weights })` takes them; float16 and bfloat16 are widened. What
 * the model does not have keeps its name, and what has another shape keeps that, so that the run
 * which starts from them can say so. A `num_batches_tracked` that is missing beside running
 * statistics is 0. Throws a {@link UsageError} for anything but a whole file of these kinds.
 *
 * @example
 * await readWeights('net.safetensors', { model, inputShape: [8, 8, 1] })
 */
export async function readWeights(file: string, options: ReadWeightsOptions): Promise<NamedValues> {
  const {
    model: given,
    inputShape,
    rename,
  } = parseOptions('readWeights', readSchema, options, {
    example: "readWeights('resnet18.safetensors', { model, inputShape: [224, 224, 3] })",
  });
  parseData(path, file, 'file of readWeights');
  const model = parseModel(given, 'model of readWeights');
  const { weightsIn } = await import('./weightsFile.ts');
  return weightsIn(file, { model, inputShape, ...(rename !== undefined && { rename }) });
}

/** Writes the weights and running statistics of a model to a safetensors file, with PyTorch's names
 * and layouts, all as float32 and counts as int64: `trainer.weights()`, or those that
 * {@link readWeights} gave. Throws a {@link UsageError} where tensors are missing, left over or of
 * other shapes, and where the file is there or cannot be written.
 *
 * @example
 * await writeWeights('copy.safetensors', trainer.weights(), { model, inputShape: [8, 8, 1] })
 */
export async function writeWeights(
  file: string,
  weights: NamedValues,
  options: WriteWeightsOptions,
): Promise<void> {
  const parsed = parseOptions('writeWeights', writeSchema, options, {
    example: "writeWeights('net.safetensors', trainer.weights(), { model, inputShape })",
  });
  parseData(path, file, 'file of writeWeights');
  parseData(namedValues, weights, 'weights of writeWeights');
  if (!isSafetensorsPath(file)) {
    throw new UsageError({
      what: 'file of writeWeights',
      given: file,
      allowed: `a name that ends in ${ENDING}`,
    });
  }
  if (parsed.overwrite !== true) {
    refuseExistingFile(file, `file of writeWeights, ${file},`, 'overwrite: true to replace it');
  }
  const model = parseModel(parsed.model, 'model of writeWeights');
  const { exportWeights } = await import('./weightsFile.ts');
  await exportWeights(file, weights, { ...parsed, model });
}
