// normsFor: the norms as functions on tensors, for your own training code inside `launch`. Forward
// returns the data that backward needs, so an autograd can be built around it.

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseOptions } from '../base/parse.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { anything, text, wholeNumber } from '../base/values.ts';
import { epsOption, momentumOption } from '../nn/specs/normOptions.ts';
import {
  type BatchNormOptions,
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  type SampleNormOptions,
} from '../nn/specs/norms.ts';
import { optionalFlag, size } from '../nn/specs/options.ts';
import type { Group } from '../sync/group.ts';
import { memoryOf } from '../sync/memoryOf.ts';
import { makeBatchNorm } from './batchNorm.ts';
import { type GroupsOfChannels, makeGroupNorm, makeLayerNorm } from './sampleNorms.ts';
import type { BatchNorm, Norm } from './types.ts';
import { Workspace } from './workspace.ts';

/** The options of all norms of {@link normsFor}. */
export interface DirectNormOptions extends Pick<SampleNormOptions, 'eps'> {
  /** Name in errors, and of batchNorm's calls in `group.stats()`. Default: the kind. */
  readonly name?: string;
}

/** The options of `batchNorm` of {@link normsFor}. */
export interface DirectBatchNormOptions
  extends DirectNormOptions,
    Pick<BatchNormOptions, 'momentum' | 'trackRunningStats'> {
  /** The group to normalize over, such as one made by `split`. Default: the group of normsFor. */
  readonly group?: Group;
  /** Allocates scratch memory for this many rows in advance and rejects more. Default: any number
   * of rows; scratch memory is allocated when needed. */
  readonly maxRows?: number;
}

/** The options of `groupNorm` and `instanceNorm` of {@link normsFor}. */
export interface DirectGroupNormOptions extends DirectNormOptions {
  /** Positions of a sample, H * W: tensors are [samples, rowsPerSample, channels]. */
  readonly rowsPerSample: number;
}

/** Makes norms. The arguments are those of `nn`, without `affine`: weight and bias are optional in
 * each call.
 *
 * @example
 * // job.mjs, for launch
 * export default function job({ rank, group }) {
 *   const norm = normsFor(group).layerNorm([2]);
 *   return norm.evaluate(Float32Array.of(rank, 1, rank + 1, 2));
 * } */
export interface Norms {
  /** Batch normalization of [rows, channels], with any number of rows on each rank. Throws a
   * UsageError on all ranks if the whole group has only one row. */
  batchNorm(channels: number, options?: DirectBatchNormOptions): BatchNorm;
  /** Group normalization of [samples, rowsPerSample, channels]; no exchanges. */
  groupNorm(numGroups: number, channels: number, options: DirectGroupNormOptions): Norm;
  /** Instance normalization of [samples, rowsPerSample, channels]; no exchanges. */
  instanceNorm(channels: number, options: DirectGroupNormOptions): Norm;
  /** Layer normalization of [rows, ...normalizedShape]; no exchanges. */
  layerNorm(normalizedShape: number | Shape, options?: DirectNormOptions): Norm;
}

/** The workspace of this thread, by the memory of a world. */
const workspaces = new WeakMap<WebAssembly.Memory, Workspace>();

/** Norms for one rank of a group of `launch`, or of one split from it.
 *
 * @example
 * // job.mjs, for launch
 * export default function job({ rank, group }) {
 *   const norm = normsFor(group).batchNorm(2);
 *   return norm.forward(Float32Array.of(rank, 1, rank + 1, 2)).y;
 * }
 */
export function normsFor(group: Group): Norms {
  const work = workspaceOf('the group of normsFor', group);
  return {
    batchNorm(channels, options = {}) {
      const given = parseOptions('batchNorm', directBatchNormSchema, options, {
        example: 'batchNorm(64, { momentum: 0.1 })',
      });
      const { name = 'batchNorm', group: syncGroup = group, maxRows, ...rest } = given;
      if (workspaceOf(`the group of ${name}`, syncGroup) !== work) throw wrongGroup(name);
      const spec = batchNorm(channels, rest);
      if (maxRows !== undefined) work.reserve(maxRows, channels);
      const unitName = 'channels';
      const rules = { name, unit: channels, unitName, parameterLength: channels, maxRows };
      return makeBatchNorm(work, rules, spec, syncGroup);
    },
    groupNorm(numGroups, channels, options) {
      const { rowsPerSample, name, ...rest } = parseGrouped('groupNorm', options);
      const { kind, eps } = groupNorm(numGroups, channels, rest);
      return makeGrouped(work, { kind, numGroups, channels, eps, rowsPerSample }, name);
    },
    instanceNorm(channels, options) {
      const { rowsPerSample, name, ...rest } = parseGrouped('instanceNorm', options);
      const { kind, eps } = instanceNorm(channels, rest);
      return makeGrouped(work, { kind, numGroups: channels, channels, eps, rowsPerSample }, name);
    },
    layerNorm(normalizedShape, options = {}) {
      const { name = 'layerNorm', ...rest } = parseOptions('layerNorm', directSchema, options, {
        example: 'layerNorm(64, { eps: 1e-5 })',
      });
      const spec = layerNorm(normalizedShape, rest);
      const length = sizeOf(spec.normalizedShape);
      const unitName = 'normalizedShape';
      const rules = { name, unit: length, unitName, parameterLength: length };
      return makeLayerNorm(work, rules, spec);
    },
  };
}

const directFields = { eps: epsOption, name: text.exactOptional() };
const directSchema = optionsSchema<DirectNormOptions>()(directFields);
const directGroupNormSchema = optionsSchema<DirectGroupNormOptions>()({
  ...directFields,
  rowsPerSample: size,
});
const directBatchNormSchema = optionsSchema<DirectBatchNormOptions>()({
  ...directFields,
  momentum: momentumOption,
  trackRunningStats: optionalFlag,
  group: anything<Group>().exactOptional(),
  maxRows: wholeNumber(0).exactOptional(),
});

function parseGrouped(what: string, options: DirectGroupNormOptions): DirectGroupNormOptions {
  const example = `${what}(..., { rowsPerSample: 784 })`;
  return parseOptions(what, directGroupNormSchema, options, { example });
}

function makeGrouped(
  work: Workspace,
  spec: GroupsOfChannels & { readonly kind: string },
  name = spec.kind,
): Norm {
  const { channels, rowsPerSample } = spec;
  const unitName = 'rowsPerSample x channels';
  const unit = rowsPerSample * channels;
  const rules = { name, unit, unitName, parameterLength: channels };
  return makeGroupNorm(work, rules, spec);
}

/** Returns the workspace of this thread in the group's memory. */
function workspaceOf(what: string, group: Group): Workspace {
  const memory = isObject(group) ? memoryOf(group) : undefined;
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
