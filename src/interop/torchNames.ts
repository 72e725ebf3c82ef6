// Layer names as PyTorch's modules have them. Our paths include a layer's kind after its number,
// such as `3.residual.body.0.conv2d`; nn.Sequential uses only numbers: `3.body.0`.

import { layerForms } from '../nn/specs/forms.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** The parts that may follow a layer's number in its path. */
const KINDS: ReadonlySet<string> = new Set([
  ...layerForms.map(({ kind }) => kind),
  ...['custom', 'graph', 'residual', 'sequential'],
]);

/** Maps a path to a name prefix: `3.body.0.`, or an empty one for a layer that is the whole
 * model. */
export function torchPaths(model: LayerSpec): (path: string) => string {
  // A layer or residual that is the whole model has its kind without a number as its path.
  const isAlone = !('layers' in model || 'nodes' in model);
  return (path) => {
    const parts = path.split('.');
    const kept = parts.filter((part, i) => {
      const isNumbered = i === 0 ? isAlone : /^\d+$/.test(parts[i - 1]!);
      return !(isNumbered && KINDS.has(part));
    });
    return kept.map((part) => `${part}.`).join('');
  };
}

/** Prefixes that module wrappers add to all names: DDP, torch.compile, Lightning and others. */
const WRAPPERS = ['module.', '_orig_mod.', 'model.'];

/** Maps a file's names to those of the model's tensors: wrapper prefixes that all names share are
 * removed until one name is known. */
export function unwrapper(
  names: readonly string[],
  isKnown: (name: string) => boolean,
): (name: string) => string {
  let prefix = '';
  const rest = (name: string): string => name.slice(prefix.length);
  while (names.length > 0 && !names.some((name) => isKnown(rest(name)))) {
    const wrapper = WRAPPERS.find((own) => names.every((name) => rest(name).startsWith(own)));
    if (wrapper === undefined) break;
    prefix += wrapper;
  }
  return rest;
}
