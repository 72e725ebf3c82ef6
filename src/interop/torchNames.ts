// Names of layers as PyTorch's modules have them. Ours say the kind of a layer after its number,
// `3.residual.body.0.conv2d`; nn.Sequential says the number alone: `3.body.0`.

import { layerForms } from '../nn/specs/forms.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** What may follow the number of a layer in its path. */
const KINDS: ReadonlySet<string> = new Set([
  ...layerForms.map(({ kind }) => kind),
  ...['custom', 'graph', 'residual', 'sequential'],
]);

/** How a path becomes the beginning of a name: `3.body.0.`, or nothing for a layer that is the
 * whole model. */
export function torchPaths(model: LayerSpec): (path: string) => string {
  // A layer or residual that is the whole model says its kind without a number.
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

/** What wrappers of modules put before all names: DDP, torch.compile, Lightning and others. */
const WRAPPERS = ['module.', '_orig_mod.', 'model.'];

/** How the names of a file become those of the model's tensors: the prefixes of wrappers that all
 * of them have are left out until one is known. */
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
