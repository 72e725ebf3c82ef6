// How deeply a model may be nested. Everything that walks over a model recurses, and so do JSON,
// MessagePack and structured clones; a single bound protects all of them from stack overflows.

import { UsageError } from '../../base/errors.ts';

/** The maximum nesting of `sequential` and `residual`; a `graph` counts as two. Real networks need
 * fewer than ten. Lists double the levels, which stays well within MessagePack's limit of 100. */
export const MAX_DEPTH = 32;

/** Throws if a model is nested deeper than {@link MAX_DEPTH}, before anything recurses over it;
 * `what` names it. Takes unchecked data and does not recurse itself. */
export function checkDepth(what: string, model: unknown): void {
  const open: { readonly spec: unknown; readonly depth: number }[] = [{ spec: model, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { spec, depth } = next;
    if (typeof spec !== 'object' || spec === null) continue;
    const children = childrenOf(spec);
    if (children.length > 0 && depth >= MAX_DEPTH) {
      throw new UsageError({
        what,
        problem: `is nested deeper than ${MAX_DEPTH} sequential and residual, graphs counted twice`,
        hint: 'one sequential with all layers in a list',
      });
    }
    const own = 'nodes' in spec ? 2 : 1;
    for (const child of children) open.push({ spec: child, depth: depth + own });
  }
}

function childrenOf(spec: object): readonly unknown[] {
  const { kind, layers, body, shortcut, nodes } = spec as Record<string, unknown>;
  if (kind === 'sequential') return Array.isArray(layers) ? layers : [];
  if (kind === 'graph') {
    return Array.isArray(nodes) ? nodes.map((node: { layer?: unknown } | null) => node?.layer) : [];
  }
  return kind === 'residual' ? [body, shortcut] : [];
}
