// Parameters that are updated differently: a learning rate factor and a weight decay, by name
// patterns (PyTorch's parameter groups, with a factor instead of a rate so that one schedule
// applies to all).

import { checkedPattern } from '../base/patterns.ts';

/** Parameters by name, and how they are updated. */
export interface ParameterGroup {
  /** A pattern such as `0.*` or `*.bias`; `*` stands for any characters. */
  readonly match: string;
  /** Factor of the learning rate in every step, above 0; default 1. */
  readonly lrScale?: number;
  /** Weight decay that replaces the optimizer's, at least 0; also for norm parameters and biases
   * that `decayNormAndBias: false` exempts. */
  readonly weightDecay?: number;
}

/** How some parameters are updated. */
export interface UpdateRule {
  readonly lrScale: number;
  /** Null for the optimizer's weight decay, which may exempt norm parameters and biases. */
  readonly weightDecay: number | null;
}

const DEFAULT_RULE: UpdateRule = { lrScale: 1, weightDecay: null };

/** The rules in use, and the rule of each parameter, in the order of `names`. If several groups
 * match a parameter, the last one that sets a value decides it. Throws a {@link UsageError} for a
 * pattern that matches nothing. */
export function updateRules(
  groups: readonly ParameterGroup[],
  names: readonly string[],
): { readonly rules: readonly UpdateRule[]; readonly ruleOf: readonly number[] } {
  const matchers = groups.map(({ match, ...group }) => ({
    ...group,
    matches: checkedPattern('parameterGroups', match, names, 'parameters'),
  }));
  const rules: UpdateRule[] = [];
  const places = new Map<string, number>();
  const ruleOf = names.map((name) => {
    const own = matchers.filter(({ matches }) => matches(name));
    const { lrScale } = own.findLast((group) => group.lrScale !== undefined) ?? DEFAULT_RULE;
    const decay = own.findLast((group) => group.weightDecay !== undefined) ?? DEFAULT_RULE;
    const rule = { lrScale: lrScale!, weightDecay: decay.weightDecay! };
    const key = JSON.stringify(rule);
    if (!places.has(key)) places.set(key, rules.push(rule) - 1);
    return places.get(key)!;
  });
  return { rules, ruleOf };
}
