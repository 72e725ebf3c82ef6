// Starts a run from given weights, by the names of the model's tensors: all of them, or those that
// fit. A report says which is which. interop/weightsSource.ts reads the weights.

import { UsageError } from '../base/errors.ts';
import { type Shape, showShape } from '../base/shape.ts';
import type { CarriedTensor } from './convertState.ts';
import type { NamedValues } from './foldNorm.ts';
import { type StateTensor, weightName } from './state.ts';

/** Weights to start from. */
export interface StartWeights {
  /** The name of the weights in errors. */
  readonly what: string;
  readonly tensors: NamedValues;
  /** Whether all weights must fit. */
  readonly isStrict: boolean;
}

/** Copies weights over the parameters and buffers of a state, and reports what happened to each
 * tensor. Throws a {@link UsageError} before anything is copied: with `isStrict`, if a tensor is
 * missing, left over or of another shape; otherwise, if none fits. */
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
    report.push({ ...placeOf(name), carried: false, why: 'left out: not in the model' });
  }
  checkFit(what, report, isStrict);
  for (const take of fitting) take();
  return report;
}

const SAME = 'the same values';

function whyNew(given: Shape | undefined, shape: Shape): string {
  if (given === undefined) return 'new: not in the weights';
  return `new: the weights have ${showShape(given)}, the model ${showShape(shape)}`;
}

/** Layer and tensor of a name: `0.conv2d` and `weight`. */
function placeOf(name: string): Pick<CarriedTensor, 'layer' | 'tensor'> {
  const dot = name.lastIndexOf('.');
  return { layer: name.slice(0, Math.max(0, dot)), tensor: name.slice(dot + 1) };
}

/** The most tensors that an error lists. */
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
    problem: `${isNone ? 'fit no tensor of the model' : 'do not fit the model'}: ${listed}${more}`,
    hint: isNone
      ? 'weights of a model whose layers have the same positions and shapes'
      : 'strictWeights: false (--weights-partial) to take what fits',
  });
}
