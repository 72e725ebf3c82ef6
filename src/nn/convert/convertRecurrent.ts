// How convertNorm converts a recurrent layer that normalizes its pre-activations. The norm is an
// option of the layer, and the states are vectors, so only some targets exist.

import { UsageError } from '../../base/errors.ts';
import { gateColumns } from '../recurrent/recurrentFrame.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';
import { chooseNorm } from './autoNorm.ts';
import type { ConvertNormOptions } from './normRequest.ts';

/** The same layer with another norm. `group` becomes layer normalization, group normalization with
 * one group. Throws a {@link UsageError} for `instance`, since a vector has one value per channel,
 * and for `frozen`. */
export function convertRecurrent(
  leaf: RecurrentSpec,
  options: ConvertNormOptions,
  path: string,
): RecurrentSpec {
  switch (options.to) {
    case 'sync':
      return { ...leaf, norm: 'batch', sync: options.groupSize ?? 'all' };
    case 'local':
      return { ...leaf, norm: 'batch', sync: 'local' };
    case 'group':
      checkOneGroup(leaf, options.numGroups, path);
      return { ...leaf, norm: 'layer', sync: 'local' };
    case 'layer':
      return { ...leaf, norm: 'layer', sync: 'local' };
    case 'none':
      return { ...leaf, norm: 'none', sync: 'local' };
    case 'auto':
      return convertRecurrent(leaf, { ...options, to: chosen(leaf, options) }, path);
    case 'instance':
    case 'frozen':
      throw new UsageError({
        what: `convertNorm of ${path} to '${options.to}'`,
        given: `${leaf.kind} with norm '${leaf.norm}'`,
        allowed:
          'sync, local, layer, group (as layer), none, auto: a state has one value per channel',
        hint: "norm 'none' in this layer, which convertNorm then leaves alone",
      });
  }
}

function checkOneGroup(leaf: RecurrentSpec, numGroups: number | undefined, path: string): void {
  if (numGroups === undefined || numGroups === 1) return;
  throw new UsageError({
    what: `numGroups of ${path}`,
    given: numGroups,
    allowed: `1: ${leaf.kind} normalizes all features of a time step together`,
    hint: 'no numGroups, so that layers may differ',
  });
}

function chosen(leaf: RecurrentSpec, options: ConvertNormOptions): 'sync' | 'local' | 'group' {
  const columns = gateColumns(leaf);
  const place = {
    ...{ shape: [columns], channels: columns },
    ...{ replicas: options.replicas!, replicaBatch: options.replicaBatch! },
  };
  return chooseNorm({ ...place, ...groupSizeOf(options) }).to;
}

function groupSizeOf({ groupSize }: ConvertNormOptions): { readonly groupSize?: number } {
  return groupSize === undefined ? {} : { groupSize };
}
