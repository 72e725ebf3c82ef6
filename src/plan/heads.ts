// What trains the outputs of a model: the main one, and its heads, such as auxiliary classifiers.
// All have the sample's targets; a head's loss counts with a weight in what is minimized. Accuracy,
// metrics and monitors are of the main output alone.

import { UsageError } from '../base/errors.ts';
import type { LossSpec } from '../nn/specs/losses.ts';
import { headNames, type LayerSpec, MAIN_OUTPUT } from '../nn/specs/spec.ts';

/** How a head of the model is trained. */
export interface HeadOptions {
  /** Default: that of the main output. */
  readonly loss?: LossSpec;
  /** A factor of its loss in the sum that is minimized, above 0; default 1. */
  readonly weight?: number;
}

/** A head of the model, with its loss. */
export interface HeadLoss {
  /** The head's name. */
  readonly name: string;
  /** Its loss. */
  readonly loss: LossSpec;
  /** What the loss is multiplied by. */
  readonly weight: number;
}

/** What of a run says how its outputs are trained. */
interface Trained {
  readonly model: LayerSpec;
  /** Of the main output. */
  readonly loss: LossSpec;
  readonly heads?: readonly HeadLoss[];
}

/** The losses that options ask for, in the order of the model's heads. */
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

/** How many heads a run trains. */
export function countHeads({ heads = [] }: Pick<Trained, 'heads'>): number {
  return heads.length;
}

/** Mean losses of the heads by their names, and the mean of what is minimized: from the mean loss
 * of the main output, and sums over `count` samples of those of the heads times their weights. */
export function headLossesOf(
  { heads = [] }: Pick<Trained, 'heads'>,
  sums: readonly number[],
  { loss, count }: { readonly loss: number; readonly count: number },
): { readonly headLosses: Readonly<Record<string, number>>; readonly totalLoss: number } {
  const means = heads.map(({ name, weight }, i) => [name, sums[i]! / weight / count] as const);
  const totalLoss = sums.reduce((total, sum) => total + sum / count, loss);
  return { headLosses: Object.fromEntries(means), totalLoss };
}

/** Throws a {@link UsageError} where a head of the model has no loss, or a loss no head. */
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
