// The three switches of batch normalization in fine-tuning, for the layers that match a pattern:
// which statistics training normalizes by, whether the running statistics are updated, and whether
// weight and bias train.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { checkedPattern } from '../../base/patterns.ts';
import { flag, oneOf, text } from '../../base/values.ts';
import { type BatchNormSpec, batchNorm } from '../specs/norms.ts';
import { eachLeaf, type LayerSpec, mapLeaves } from '../specs/spec.ts';
import { STATISTICS_SOURCES, type StatisticsSource } from '../specs/statistics.ts';

/** Selects batch norms by path and says how they train. */
export interface BatchNormSwitches {
  /** A path such as `1.batchNorm` or `3.residual.*`; `*` stands for any characters. Default all. */
  readonly match?: string;
  /** Which statistics training normalizes by; default as in the model. */
  readonly statistics?: StatisticsSource;
  /** Whether training updates the running statistics; default as in the model. */
  readonly updateStatistics?: boolean;
  /** Whether weight and bias train; default as `freeze` says. */
  readonly trainAffine?: boolean;
}

const switchesSchema = optionsSchema<BatchNormSwitches>()({
  match: text.exactOptional(),
  statistics: oneOf(STATISTICS_SOURCES).exactOptional(),
  updateStatistics: flag.exactOptional(),
  trainAffine: flag.exactOptional(),
});

/** Parses switches from user input. Throws a {@link UsageError} for unknown fields and values. */
export function parseBatchNormSwitches(given: unknown): readonly BatchNormSwitches[] {
  const example = "batchNorm: [{ statistics: 'running', updateStatistics: false }]";
  if (!Array.isArray(given)) {
    throw new UsageError({ what: 'batchNorm', given, allowed: 'a list', hint: example });
  }
  return Array.from(given, (switches: unknown, i) =>
    parseOptions(`batchNorm[${i}]`, switchesSchema, switches, { example }),
  );
}

/** Returns the model with its batch norms switched, and the patterns for `freeze` that say which
 * weights and biases train. Later switches override earlier ones. Layers that are `frozen` have no
 * parts to switch. Throws a {@link UsageError} for a pattern that matches no batch norm. */
export function switchBatchNorms(
  model: LayerSpec,
  switches: readonly BatchNormSwitches[],
): { readonly model: LayerSpec; readonly freeze: readonly string[] } {
  const isAffine = switchable(model);
  const paths = [...isAffine.keys()];
  const rules = switches.map(({ match = '*', ...rule }) => ({
    ...rule,
    matches: checkedPattern('batchNorm', match, paths, 'batch norms that are not frozen'),
  }));
  const freeze = rules.flatMap(({ trainAffine, matches }) =>
    trainAffine === undefined
      ? []
      : paths
          .filter((path) => isAffine.get(path) === true && matches(path))
          .map((path) => `${trainAffine ? '!' : ''}${path}.*`),
  );
  const switched = mapLeaves(model, (leaf, path) => {
    if (!isAffine.has(path)) return leaf;
    const { kind: _kind, channels, ...options } = leaf as BatchNormSpec;
    const changed = rules
      .filter(({ matches }) => matches(path))
      .map(({ trainAffine: _trainAffine, matches: _matches, ...rule }) => rule);
    return batchNorm(channels, Object.assign({}, options, ...changed));
  });
  return { model: switched, freeze };
}

/** The paths of the batch norms that are not frozen as a whole, and which of them have weight and
 * bias. */
function switchable(model: LayerSpec): ReadonlyMap<string, boolean> {
  const affine = new Map<string, boolean>();
  eachLeaf(model, (leaf, path) => {
    if (leaf.kind === 'batchNorm' && !leaf.frozen) affine.set(path, leaf.affine);
  });
  return affine;
}
