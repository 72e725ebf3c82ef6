// The public, checked functions for weights in files of other libraries. The implementation
// (weightsFile.ts) is loaded with the first file.

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { refuseExistingFile } from '../base/regularFile.ts';
import type { Shape } from '../base/shape.ts';
import { accept, anything } from '../base/values.ts';
import { type NamedValues, namedValues } from '../checkpoint/foldNorm.ts';
import { parseModel } from '../nn/models/parse.ts';
import { optionalFlag, shapeOption } from '../nn/specs/options.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** The model that a file's names and layouts are matched with. */
export interface WeightsModel {
  /** The model as it is trained, after any conversion of its normalizations. */
  readonly model: LayerSpec;
  /** Shape of a sample, channels last; the layers after a flatten depend on it. */
  readonly inputShape: Shape;
}

/** The options of {@link readWeights}. */
export interface ReadWeightsOptions extends WeightsModel {
  /** Maps each name in a safetensors file to PyTorch's name in this model. Default: unchanged,
   * except that wrapper prefixes before all names (`module.`, `_orig_mod.` or `model.`) are
   * removed. */
  readonly rename?: (name: string) => string;
}

/** The options of {@link writeWeights}. */
export interface WriteWeightsOptions extends WeightsModel {
  /** The file's metadata; default `{ format: 'pt' }`, which Transformers requires. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether to replace an existing file; default false. */
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

/** Whether a file is treated as safetensors, by its name. */
export function isSafetensorsPath(file: string): boolean {
  return file.toLowerCase().endsWith(ENDING);
}

/** Reads weights and running statistics for a model: from a checkpoint, or from a safetensors file
 * with PyTorch's names and layouts. They have our names and layouts, as `trainer.weights()` returns
 * them and `Trainer.start({ weights })` takes them; float16 and bfloat16 are widened. Tensors that
 * are not in the model keep their names, and those with another shape keep it, so that the run that
 * starts from them can report it. If running statistics lack a `num_batches_tracked`, it is 0.
 * Throws a {@link UsageError} if the file is damaged or of another kind.
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
 * and layouts, all as float32 and counts as int64: `trainer.weights()`, or those from {@link
 * readWeights}. Throws a {@link UsageError} if tensors are missing, left over or of other shapes,
 * and if the file exists or cannot be written.
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
