// normsFor: the norms as functions on tensors, for training code of one's own inside `launch`. What
// forward saves for backward is handed to the caller, so an autograd can be put around it.

import { checkInteger, UsageError } from '../base/errors.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import {
  type BatchNormOptions,
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  type SampleNormOptions,
} from '../nn/norms.ts';
import type { Group } from '../sync/group.ts';
import { memoryOf } from '../sync/memoryOf.ts';
import { makeBatchNorm } from './batchNorm.ts';
import { type GroupsOfChannels, makeGroupNorm, makeLayerNorm } from './sampleNorms.ts';
import type { BatchNorm, Norm } from './types.ts';
import { Workspace } from './workspace.ts';

export interface DirectNormOptions extends Pick<SampleNormOptions, 'eps'> {
  /** For errors, and for batchNorm's calls in `group.stats()`. Default: the kind. */
  readonly name?: string;
}

export interface DirectBatchNormOptions
  extends DirectNormOptions,
    Pick<BatchNormOptions, 'momentum' | 'trackRunningStats'> {
  /** Whose rows are normalized together, such as a group made by `split`. Default: the group of
   * normsFor. */
  readonly group?: Group;
  /** Takes scratch memory for so many rows at once and refuses more. Default: any number of rows;
   * scratch memory is taken when it is needed. */
  readonly maxRows?: number;
}

export interface DirectGroupNormOptions extends DirectNormOptions {
  /** Positions of a sample, H * W: tensors are [samples, rowsPerSample, channels]. */
  readonly rowsPerSample: number;
}

/** Makes norms; their arguments are those of `nn`, without `affine`: a call has weight and bias or
 * has not. */
export interface Norms {
  /** Tensors are [rows, channels], with any number of rows on each rank. Throws a UsageError on all
   * ranks when the whole group has one row. */
  batchNorm(channels: number, options?: DirectBatchNormOptions): BatchNorm;
  groupNorm(numGroups: number, channels: number, options: DirectGroupNormOptions): Norm;
  instanceNorm(channels: number, options: DirectGroupNormOptions): Norm;
  /** Tensors are [rows, ...normalizedShape]. */
  layerNorm(normalizedShape: number | Shape, options?: DirectNormOptions): Norm;
}

/** A thread's workspace in a world's memory. */
const workspaces = new WeakMap<WebAssembly.Memory, Workspace>();

/** Norms for one rank of a group of `launch`, or of one split from it. */
export function normsFor(group: Group): Norms {
  const work = workspaceOf('the group of normsFor', group);
  return {
    batchNorm(channels, options = {}) {
      const { name = 'batchNorm', group: syncGroup = group, maxRows } = options;
      if (workspaceOf(`the group of ${name}`, syncGroup) !== work) throw wrongGroup(name);
      const spec = batchNorm(channels, options);
      if (maxRows !== undefined) work.reserve(checkInteger('maxRows', maxRows, 0), channels);
      const unitName = 'channels';
      const rules = { name, unit: channels, unitName, parameterLength: channels, maxRows };
      return makeBatchNorm(work, rules, spec, syncGroup);
    },
    groupNorm(numGroups, channels, options) {
      const { kind, eps } = groupNorm(numGroups, channels, options);
      return makeGrouped(work, { kind, numGroups, channels, eps }, options);
    },
    instanceNorm(channels, options) {
      const { kind, eps } = instanceNorm(channels, options);
      return makeGrouped(work, { kind, numGroups: channels, channels, eps }, options);
    },
    layerNorm(normalizedShape, options = {}) {
      const spec = layerNorm(normalizedShape, options);
      const length = sizeOf(spec.normalizedShape);
      const { name = 'layerNorm' } = options;
      const unitName = 'normalizedShape';
      const rules = { name, unit: length, unitName, parameterLength: length };
      return makeLayerNorm(work, rules, spec);
    },
  };
}

function makeGrouped(
  work: Workspace,
  spec: Omit<GroupsOfChannels, 'rowsPerSample'> & { readonly kind: string },
  options: DirectGroupNormOptions,
): Norm {
  const { name = spec.kind } = options;
  const { channels } = spec;
  const rowsPerSample = checkInteger(`rowsPerSample of ${name}`, options.rowsPerSample, 1);
  const unitName = 'rowsPerSample x channels';
  const rules = {
    name,
    unit: rowsPerSample * channels,
    unitName,
    parameterLength: channels,
  };
  return makeGroupNorm(work, rules, { ...spec, rowsPerSample });
}

/** The one of this thread and the group's memory. */
function workspaceOf(what: string, group: Group): Workspace {
  const memory = memoryOf(group);
  if (memory === undefined) {
    const allowed = 'the group of launch, or one split from it';
    throw new UsageError({ what, given: 'one without shared memory', allowed });
  }
  const known = workspaces.get(memory);
  if (known !== undefined) return known;
  const made = new Workspace(memory, group);
  workspaces.set(memory, made);
  return made;
}

function wrongGroup(name: string): UsageError {
  return new UsageError({
    what: `the group of ${name}`,
    given: 'one of another launch',
    allowed: 'the group of normsFor, or one split from the same',
  });
}
