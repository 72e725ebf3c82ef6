// How deeply a model may be nested. Everything that walks over one recurses, and so do JSON,
// MessagePack and the clones that threads get: one bound keeps them off the end of the stack.

import { UsageError } from '../../base/errors.ts';

/** The most `sequential` and `residual` around a layer, where a `graph` counts as two. Networks in
 * use need fewer than ten; twice as many levels, lists included, are well within the 100 that
 * MessagePack takes. */
export const MAX_DEPTH = 32;

/** Refuses what is nested deeper than {@link MAX_DEPTH}, before anything recurses over it; `what`
 * names it. Takes data that is not checked yet, and does not recurse itself. */
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
