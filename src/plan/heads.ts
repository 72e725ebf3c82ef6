// How the outputs of a model are trained: the main one and its heads, such as auxiliary
// classifiers. All share the sample's targets; the loss of a head enters the minimized sum with a
// weight. Accuracy, metrics and monitors only use the main output.

import { UsageError } from '../base/errors.ts';
import type { LossSpec } from '../nn/specs/losses.ts';
import { headNames, type LayerSpec, MAIN_OUTPUT } from '../nn/specs/spec.ts';

/** How a head of the model is trained. */
export interface HeadOptions {
  /** The loss of the head; default that of the main output. */
  readonly loss?: LossSpec;
  /** Weight of its loss in the minimized sum, above 0; default 1. */
  readonly weight?: number;
}

/** A head of the model, with its loss. */
export interface HeadLoss {
  /** The head's name. */
  readonly name: string;
  /** Its loss. */
  readonly loss: LossSpec;
  /** The weight of the loss. */
  readonly weight: number;
}

/** The settings of a run that say how its outputs are trained. */
interface Trained {
  readonly model: LayerSpec;
  /** The loss of the main output. */
  readonly loss: LossSpec;
  readonly heads?: readonly HeadLoss[];
}

/** The losses that the options request, in the order of the model's heads. */
export function headLosses(
  { model, loss }: Pick<Trained, 'model' | 'loss'>,
  options: Readonly<Record<string, HeadOptions>>,
): readonly HeadLoss[] {
  const names = headNames(model);
  return Object.entries(options)
    .map(([name, head]) => ({ name, loss: head.loss ?? loss, weight: head.weight ?? 1 }))
    .sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

/** All outputs of the model with their losses, the main one first. */
export function outputLosses({ loss, heads = [] }: Omit<Trained, 'model'>): readonly HeadLoss[] {
  return [{ name: MAIN_OUTPUT, loss, weight: 1 }, ...heads];
}

/** The number of heads that a run trains. */
export function countHeads({ heads = [] }: Pick<Trained, 'heads'>): number {
  return heads.length;
}

/** The mean losses of the heads by name, and the mean of the minimized sum. Computed from the mean
 * loss of the main output and the heads' weighted losses, summed over `count` samples. */
export function headLossesOf(
  { heads = [] }: Pick<Trained, 'heads'>,
  sums: readonly number[],
  { loss, count }: { readonly loss: number; readonly count: number },
): { readonly headLosses: Readonly<Record<string, number>>; readonly totalLoss: number } {
  const means = heads.map(({ name, weight }, i) => [name, sums[i]! / weight / count] as const);
  const totalLoss = sums.reduce((total, sum) => total + sum / count, loss);
  return { headLosses: Object.fromEntries(means), totalLoss };
}

/** Throws a {@link UsageError} if a head of the model has no loss, or if a loss has no head. */
export function checkHeads({ model, heads = [] }: Trained): void {
  const names = headNames(model);
  const extra = heads.find(({ name }) => !names.includes(name));
  if (extra !== undefined) {
    throw new UsageError({
      what: 'heads',
      given: extra.name,
      allowed: names.length === 0 ? 'none: the model has one output' : names.join(', '),
    });
  }
  const missing = names.filter((name) => !heads.some((head) => head.name === name));
  if (missing.length === 0) return;
  throw new UsageError({
    what: `the model's ${missing.length === 1 ? 'head' : 'heads'} ${missing.join(', ')}`,
    problem: `${missing.length === 1 ? 'has' : 'have'} no loss`,
    hint: `heads: { ${missing.map((name) => `'${name}': { weight: 0.4 }`).join(', ')} }`,
  });
}
