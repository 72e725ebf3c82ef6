// The choices that an experiment's flags offer: norms, batches, learning rate, epochs and network.
// Each function returns the caller's choice, or the experiment's default if there is none, and
// rejects what the experiment cannot use.

import { createHash } from 'node:crypto';
import { InvariantError, UsageError } from '../../base/errors.ts';
import { convertNorm } from '../../nn/convert/convertNorm.ts';
import { normKindOf } from '../../nn/convert/normLeaf.ts';
import { CONVERTED_KINDS } from '../../nn/convert/normRequest.ts';
import { type LayerSpec, leavesOf } from '../../nn/specs/spec.ts';
import {
  CHOICES,
  type Choice,
  type Experiment,
  type ExperimentOptions,
  type NetContext,
  type OwnNet,
  type PlainRecord,
} from './experiment.ts';

/** The norms that experiments compare. `sync` is batch normalization over the global batch of all
 * replicas; `local` normalizes each replica's samples separately. */
export const COMPARED_NORMS = ['local', 'sync', 'group', 'layer', 'instance', 'none'] as const;
export type ComparedNorm = (typeof COMPARED_NORMS)[number];

/** The choices for an experiment that trains one net with several norms. */
export const TRAINING_CHOICES = {
  model: true,
  lr: true,
  'replica-batches': true,
  norms: true,
  epochs: true,
} as const;

/** Throws a {@link UsageError} for the first choice that does not apply to the experiment. */
export function checkChoices(
  { name, choices = {} }: Pick<Experiment, 'name' | 'choices'>,
  given: readonly Choice[],
): void {
  for (const choice of given) {
    const answer = choices[choice];
    if (answer === true) continue;
    const taken = CHOICES.filter((other) => choices[other] === true).map((other) => `--${other}`);
    throw new UsageError({
      what: `--${choice} of syncbn experiment ${name}`,
      problem: `makes no sense here${answer === undefined ? '' : `: ${answer}`}`,
      hint: taken.length === 0 ? `leaving --${choice} out` : `${taken.join(', ')}`,
    });
  }
}

/** The norms to compare. Throws a {@link UsageError} if one is not in `known`, or if one of
 * `needed`, the baselines of the comparison, is missing. */
export function normsFrom<T extends string>(
  { norms }: ExperimentOptions,
  of: {
    readonly known: readonly T[];
    readonly defaults: readonly T[];
    readonly needed?: readonly T[];
  },
): readonly T[] {
  if (norms === undefined) return of.defaults;
  const found = norms.map((given) => {
    const norm = of.known.find((known) => known === given);
    if (norm !== undefined) return norm;
    throw new UsageError({ what: '--norms', given, allowed: of.known.join(', ') });
  });
  const missing = of.needed?.find((norm) => !found.includes(norm));
  if (missing === undefined) return found;
  throw new UsageError({
    what: '--norms',
    given: norms.join(','),
    allowed: `a list with ${missing}, the baseline of the comparison`,
    hint: `--norms ${[missing, ...norms].join(',')}`,
  });
}

/** The norms to compare, out of {@link COMPARED_NORMS}. The first default is the baseline, so it
 * must be among them. */
export function normsAgainst(
  options: ExperimentOptions,
  defaults: readonly [ComparedNorm, ...ComparedNorm[]],
): readonly ComparedNorm[] {
  return normsFrom(options, { known: COMPARED_NORMS, defaults, needed: [defaults[0]] });
}

/** The per-replica batch sizes, largest first. */
export function batchesFrom(
  { replicaBatches }: ExperimentOptions,
  defaults: readonly number[],
): readonly number[] {
  return [...new Set(replicaBatches ?? defaults)].sort((a, b) => b - a);
}

/** The per-replica batch size of an experiment that uses only one. */
export function oneBatchFrom({ replicaBatches = [] }: ExperimentOptions, own: number): number {
  if (replicaBatches.length < 2) return replicaBatches[0] ?? own;
  throw new UsageError({
    what: '--replica-batches',
    given: replicaBatches.join(','),
    allowed: 'one batch size: this experiment does not compare batch sizes',
    hint: `--replica-batches ${replicaBatches[0]}`,
  });
}

/** The steps in the chosen number of epochs of full batches, or the experiment's default. */
export function stepsFrom(
  { epochs, facts }: ExperimentOptions,
  globalBatch: number,
  own: number,
): number {
  if (epochs === undefined) return own;
  if (facts === undefined) throw new InvariantError('the facts of the data', facts, 'known');
  return epochs * Math.max(1, Math.floor(facts.countTrain / globalBatch));
}

/** The settings that identify the caller's net; equal for equal nets. */
export function netSettings({ net }: ExperimentOptions): PlainRecord {
  if (net === undefined) return {};
  return { model: net.name, modelHash: hashOfModel(net.model) };
}

/** A hash that is equal for equal models. It detects a file whose content has changed. */
export function hashOfModel(model: LayerSpec): string {
  return createHash('sha256').update(JSON.stringify(model)).digest('hex').slice(0, 16);
}

/** The caller's net with this norm, or the experiment's own net. */
export function netWith(
  { dataset, net }: NetContext,
  norm: ComparedNorm,
  own: () => LayerSpec,
): LayerSpec {
  if (net === undefined) return own();
  return convertNorm(net, { to: norm, inputShape: dataset.inputShape });
}

/** Throws a {@link UsageError} if a net has no batch norms: all runs would be the same. */
export function checkHasBatchNorm({ name, model }: OwnNet): void {
  const kinds = leavesOf(model).map(normKindOf);
  if (kinds.some((kind) => CONVERTED_KINDS.some((converted) => converted === kind))) return;
  const found = [...new Set(kinds.filter((kind) => kind !== undefined))];
  throw new UsageError({
    what: `--model ${name}`,
    given: found.length === 0 ? 'a net without normalizations' : `a net with ${found.join(', ')}`,
    allowed: `a net with ${CONVERTED_KINDS.join(' or ')} layers, which the norms replace`,
    hint: 'nn.batchNorm, {"kind":"batchNorm",...} in JSON, for every norm to compare',
  });
}
