// A run that starts from given weights: those of a checkpoint, or named tensors as
// `trainer.weights()` gives them. All of them, or those that fit; a report says which is which.

import { UsageError } from '../base/errors.ts';
import { isObject } from '../base/parse.ts';
import { type Shape, showShape } from '../base/shape.ts';
import { openCheckpoint } from './checkpointFile.ts';
import type { CarriedTensor } from './convertState.ts';
import type { NamedValue, NamedValues } from './foldNorm.ts';
import { isTensor } from './namedTensor.ts';
import { namedWeights, type StateTensor, weightName } from './state.ts';

/** The path of a checkpoint, or tensors by their names in the model, `0.conv2d.weight`. */
export type WeightsSource = string | NamedValues | Readonly<Record<string, NamedValue>>;

/** Weights to start from. */
export interface StartWeights {
  /** Names them in errors. */
  readonly what: string;
  readonly tensors: NamedValues;
  /** Whether all have to fit. */
  readonly isStrict: boolean;
}

/** Reads weights from where the option says. Throws a {@link UsageError} for anything else. */
export async function readWeights(source: WeightsSource, isStrict: boolean): Promise<StartWeights> {
  if (typeof source === 'string') {
    const { tensors } = await (await openCheckpoint(source)).load();
    return { what: `weights of ${source}`, tensors: namedWeights(tensors), isStrict };
  }
  const what = 'weights';
  if (!(source instanceof Map) && !isObject(source)) throw notWeights(what, source);
  const tensors = new Map<string, NamedValue>(
    source instanceof Map ? source : Object.entries(source),
  );
  for (const [name, tensor] of tensors) {
    if (!isTensor(tensor)) throw notWeights(`${what}, ${name}`, tensor);
  }
  return { what, tensors, isStrict };
}

function notWeights(what: string, given: unknown): UsageError {
  return new UsageError({
    what,
    given,
    allowed: 'the path of a checkpoint, or tensors by name, { shape, values }',
    hint: "'pretrained.ckpt', or what trainer.weights() gives",
  });
}

/** Copies weights over the parameters and buffers of a state, and says what became of each tensor.
 * Throws a {@link UsageError}, before anything is copied, where all have to fit and one is missing,
 * is left over or has another shape; else where none fits. */
export function takeWeights(
  state: readonly StateTensor[],
  { what, tensors, isStrict }: StartWeights,
): readonly CarriedTensor[] {
  const targets = new Map(
    state
      .filter(({ group }) => group !== 'optimizer')
      .map((tensor) => [weightName(tensor), tensor] as const),
  );
  const report: CarriedTensor[] = [];
  const fitting: (() => void)[] = [];
  for (const [name, { shape, values }] of targets) {
    const given = tensors.get(name);
    const carried = given !== undefined && showShape(given.shape) === showShape(shape);
    if (carried) fitting.push(() => values.set(given.values));
    report.push({ ...placeOf(name), carried, why: carried ? SAME : whyNew(given?.shape, shape) });
  }
  for (const name of tensors.keys()) {
    if (targets.has(name)) continue;
    report.push({ ...placeOf(name), carried: false, why: 'left out: the model has none' });
  }
  checkFit(what, report, isStrict);
  for (const take of fitting) take();
  return report;
}

const SAME = 'the same values';

function whyNew(given: Shape | undefined, shape: Shape): string {
  if (given === undefined) return 'new: the weights have none';
  return `new: the weights have ${showShape(given)}, the model ${showShape(shape)}`;
}

/** Layer and tensor of a name: `0.conv2d` and `weight`. */
function placeOf(name: string): Pick<CarriedTensor, 'layer' | 'tensor'> {
  const dot = name.lastIndexOf('.');
  return { layer: name.slice(0, Math.max(0, dot)), tensor: name.slice(dot + 1) };
}

/** Tensors that an error lists at most. */
const SHOWN_TENSORS = 3;

function checkFit(what: string, report: readonly CarriedTensor[], isStrict: boolean): void {
  const wrong = report.filter(({ carried }) => !carried);
  const isNone = wrong.length === report.length;
  if (!isNone && (!isStrict || wrong.length === 0)) return;
  const shown = wrong.slice(0, SHOWN_TENSORS);
  const listed = shown.map(({ layer, tensor, why }) => `${layer}.${tensor} (${why})`).join(', ');
  const more = wrong.length > shown.length ? ` and ${wrong.length - shown.length} more` : '';
  throw new UsageError({
    what,
    problem: `${isNone ? 'fit the model nowhere' : 'do not fit the model'}: ${listed}${more}`,
    hint: isNone
      ? 'weights of a model whose layers have the same places and shapes'
      : 'strictWeights: false (--weights-partial) to take what fits',
  });
}
