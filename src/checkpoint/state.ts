// The state of a run as the main thread sees it: named tensors in the arena, which are initialized,
// saved, restored and hashed in one fixed order. Padding between tensors is not part of it.

import { createHash, type Hash } from 'node:crypto';
import { InvariantError } from '../base/errors.ts';
import type { Shape } from '../base/shape.ts';
import { normalizationOf } from '../data/loading/inputs.ts';
import { viewOf } from '../memory/arena.ts';
import { initialize } from '../nn/specs/init.ts';
import { keptOf } from '../optim/bindOptimizer.ts';
import type { RunPlan } from '../plan/plan.ts';
import { spinTurnsFor } from '../sync/memory.ts';
import { initControlWords } from '../sync/words.ts';

/** A tensor of the state. */
export interface StateTensor {
  /** `parameter 0.conv2d.weight`, `buffer 1.batchNorm.runningMean`, `optimizer.0 0.conv2d.weight`;
   * of the best epoch, `best parameter 0.conv2d.weight`. */
  readonly name: string;
  /** Its group: a parameter, a buffer, optimizer state, or a tensor of the best epoch. */
  readonly group: 'parameter' | 'buffer' | 'optimizer' | 'best';
  /** Channels last. */
  readonly shape: Shape;
  /** In row-major order. */
  readonly values: Float32Array | Float64Array;
}

/** All tensors of the state, as views of the arena: parameters, buffers, and optimizer state of the
 * parameters that train. */
export function stateTensors(plan: RunPlan, memory: WebAssembly.Memory): readonly StateTensor[] {
  const { regions, parameters, config } = plan;
  const tensors: StateTensor[] = [];
  const values = viewOf(memory, regions.parameters.values);
  for (const { name, shape, offset, length } of parameters.entries) {
    const view = values.subarray(offset, offset + length);
    tensors.push({ name: `parameter ${name}`, group: 'parameter', shape, values: view });
  }
  const buffers = viewOf(memory, regions.parameters.buffers);
  for (const { name, shape, offset, length } of parameters.buffers) {
    const view = buffers.subarray(offset, offset + length);
    tensors.push({ name: `buffer ${name}`, group: 'buffer', shape, values: view });
  }
  for (const [i, kept] of keptOf(config).entries()) {
    const state = viewOf(memory, regions.parameters.optimizerState[i]!);
    for (const { name, shape, isTrained, trainedOffset, length } of parameters.entries) {
      if (!isTrained) continue;
      const view = state.subarray(trainedOffset, trainedOffset + length);
      tensors.push({ name: `optimizer.${kept} ${name}`, group: 'optimizer', shape, values: view });
    }
  }
  return tensors;
}

/** Prepares the control words for the workers of a plan before any of them starts. */
export function prepareWords({ regions, config }: RunPlan, memory: WebAssembly.Memory): void {
  initControlWords(viewOf(memory, regions.control.words), config.workers, {
    timeoutMs: config.timeoutMs,
    spinTurns: spinTurnsFor(config.place?.localWorkers ?? config.workers),
  });
}

/** Fills a fresh arena: control words, normalization, initial parameters and buffers. */
export function fillArena(plan: RunPlan, memory: WebAssembly.Memory): void {
  const { regions, parameters, config } = plan;
  fillAllButState(plan, memory);
  const values = viewOf(memory, regions.parameters.values);
  for (const [i, { offset, length, init }] of parameters.entries.entries()) {
    initialize(values.subarray(offset, offset + length), init, config.seed, i);
  }
  const buffers = viewOf(memory, regions.parameters.buffers);
  for (const { offset, length, initial } of parameters.buffers) {
    buffers.fill(initial, offset, offset + length);
  }
}

/** Fills control words and normalization. */
export function fillAllButState(plan: RunPlan, memory: WebAssembly.Memory): void {
  prepareWords(plan, memory);
  const { data } = plan.config;
  viewOf(memory, plan.regions.data.normalization).set(normalizationOf(data));
}

/** Copies of all parameters and buffers by their names in the model, `0.conv2d.weight`. */
export function namedWeights(tensors: readonly StateTensor[]): ReadonlyMap<string, StateTensor> {
  return new Map(
    weightsOf(tensors).map((tensor) => [
      weightName(tensor),
      { ...tensor, values: tensor.values.slice() },
    ]),
  );
}

/** The name of a parameter or buffer in the model, `0.conv2d.weight`. */
export function weightName({ name }: Pick<StateTensor, 'name'>): string {
  return name.replace(/^\S+ /, '');
}

/** SHA-256, in hex, over all parameters and running statistics: names, then little-endian
 * values. */
export function hashWeights(tensors: readonly StateTensor[]): string {
  return hashState(weightsOf(tensors));
}

/** Parameters and buffers. */
export function weightsOf(tensors: readonly StateTensor[]): readonly StateTensor[] {
  return tensors.filter(({ group }) => group === 'parameter' || group === 'buffer');
}

/** The same over the whole state. */
export function hashState(tensors: readonly StateTensor[]): string {
  const hash = createHash('sha256');
  for (const { name, values } of tensors) {
    hash.update(name);
    hashValues(hash, values);
  }
  return hash.digest('hex');
}

/** Adds values to a hash. A hash refuses shared memory and 2 GiB at once, so it gets copies of
 * pieces. */
export function hashValues(hash: Hash, values: StateTensor['values'], pieceBytes = 2 ** 24): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    hash.update(bytes.slice(from, from + pieceBytes));
  }
}

/** Copies saved values over the state's. Both must have the same tensors. */
export function restoreTensors(
  tensors: readonly StateTensor[],
  saved: ReadonlyMap<string, Float32Array | Float64Array>,
): void {
  for (const { name, values } of tensors) {
    const from = saved.get(name);
    if (from === undefined || from.length !== values.length) {
      throw new InvariantError(`saved tensor ${name}`, from?.length, values.length);
    }
    values.set(from);
  }
}
