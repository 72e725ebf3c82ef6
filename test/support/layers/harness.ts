// Runs a layer, or a small model, in one thread with any number of replicas: the real plan, arena,
// program and reductions, without data, loss and optimizer. A probe layer before it provides an
// input gradient. Every region is filled with NaN first, so that unwritten values are detected.

import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import { instantiateKernels } from '../../../src/kernels/binaries.ts';
import type { NumericMode } from '../../../src/kernels/builds.ts';
import { compileKernels } from '../../../src/kernels/load.ts';
import { createArena, viewOf } from '../../../src/memory/arena.ts';
import { buildGraph } from '../../../src/nn/graph/graph.ts';
import type { StepState } from '../../../src/nn/layers/layer.ts';
import { sequential } from '../../../src/nn/models/compose.ts';
import { custom } from '../../../src/nn/specs/custom.ts';
import { initialize } from '../../../src/nn/specs/init.ts';
import { meanSquaredError } from '../../../src/nn/specs/losses.ts';
import { loadModules } from '../../../src/nn/specs/modules.ts';
import type { LayerSpec } from '../../../src/nn/specs/spec.ts';
import { sgd } from '../../../src/optim/optimizer.ts';
import { constant } from '../../../src/optim/schedule.ts';
import type { RunConfig } from '../../../src/plan/config.ts';
import { layerNames, planRun, type RunPlan } from '../../../src/plan/plan.ts';
import { attachMember } from '../../../src/sync/group.ts';
import { initControlWords } from '../../../src/sync/words.ts';
import { bindProgram, bindReductions } from '../../../src/train/program.ts';
import { createFixture } from '../kernelFixture.ts';

const PROBE = new URL('./probe.mjs', import.meta.url).href;
await loadModules([PROBE], true);

export type Tensors = Readonly<Record<string, Float32Array | Float64Array>>;

export interface LayerRun {
  readonly spec: LayerSpec;
  readonly inputShape: Shape;
  /** Samples of each replica. */
  readonly shards: readonly number[];
  /** [N, ...inputShape], N the sum of the shards. */
  readonly x: Float32Array;
  /** The gradient of the output; without it nothing runs backward. */
  readonly dy?: Float32Array;
  /** By the names of {@link LayerResult}; what is missing keeps its initial value. */
  readonly parameters?: Tensors;
  readonly buffers?: Tensors;
  readonly training?: boolean;
  readonly mode?: NumericMode;
}

export interface LayerResult {
  readonly y: Float32Array;
  readonly outputShape: Shape;
  readonly dx: Float32Array;
  /** Names begin with the kind of a leaf, `conv2d.weight`, or with the place in a sequential,
   * `0.conv2d.weight`. */
  readonly parameters: Tensors;
  /** Sums over all samples; float64 for biases and norms. */
  readonly gradients: Tensors;
  /** After the update that follows the backward pass. */
  readonly buffers: Tensors;
}

/** Optimizer steps that count as done. */
export const RUN_STEP = 3;

const modules = new Map<NumericMode, WebAssembly.Module>();

function moduleOf(mode: NumericMode): WebAssembly.Module {
  const known = modules.get(mode);
  if (known !== undefined) return known;
  // The fixture builds the binaries when they are older than their sources.
  createFixture(mode, 1);
  const module = compileKernels(mode);
  modules.set(mode, module);
  return module;
}

/** The plan of a run with one worker. */
function planAlone(
  spec: LayerSpec,
  inputShape: Shape,
  size: { readonly samples: number; readonly replicas: number },
): RunPlan {
  const { shapes, output } = buildGraph(spec, inputShape);
  const channels = inputShape[inputShape.length - 1]!;
  const config: RunConfig = {
    model: spec,
    data: {
      inputShape,
      inputType: 'f32',
      task: { kind: 'regression', targetShape: shapes[output]! },
      mean: new Array<number>(channels).fill(0),
      std: new Array<number>(channels).fill(1),
      countTrain: size.samples,
      countTest: 0,
    },
    loss: meanSquaredError(),
    optimizer: sgd({ lr: 0.1 }),
    schedule: constant(),
    clipNorm: null,
    replicas: size.replicas,
    workers: 1,
    globalBatch: size.samples,
    dropLast: false,
    shuffle: false,
    augmentation: null,
    seed: 7,
    mode: 'strict',
    timeoutMs: 1000,
    diagnosticsEvery: 0,
  };
  return planRun(config);
}

function stepOf(run: LayerRun): StepState {
  const grainStart = new Int32Array(run.shards.length + 1);
  for (const [i, count] of run.shards.entries()) grainStart[i + 1] = grainStart[i]! + count;
  const samples = grainStart[run.shards.length]!;
  return {
    training: run.training ?? true,
    step: RUN_STEP,
    countSamples: samples,
    grainStart,
    firstSample: 0,
    isSnapshot: false,
    globalCount: samples,
  };
}

/** Runs forward, and with `dy` backward and the update of the buffers. */
export function runLayer(run: LayerRun): LayerResult {
  const step = stepOf(run);
  const samples = step.countSamples;
  const size = { samples, replicas: run.shards.length };
  const plan = planAlone(sequential([custom(PROBE), run.spec]), run.inputShape, size);
  const { layout, regions, parameters: table } = plan;
  const memory = createArena(layout);
  // All bits set is NaN in every float type.
  new Uint8Array(memory.buffer).fill(255, 1024);
  for (const { name, offsetBytes, sizeBytes } of layout.regions) {
    // The borders of padded samples are zero from the start, which forward relies on.
    if (/\.padded(Grad)?$/.test(name))
      new Uint8Array(memory.buffer, offsetBytes, sizeBytes).fill(0);
  }
  const words = viewOf(memory, regions.control.words);
  initControlWords(words, 1, { timeoutMs: 1000 });
  const values = viewOf(memory, regions.parameters.values);
  for (const [i, { name, offset, length, init }] of table.entries.entries()) {
    const view = values.subarray(offset, offset + length);
    const given = run.parameters?.[ownName(name)];
    if (given === undefined) initialize(view, init, plan.config.seed, i);
    else view.set(given);
  }
  const buffers = viewOf(memory, regions.parameters.buffers);
  for (const { name, offset, length, initial } of table.buffers) {
    const given = run.buffers?.[ownName(name)];
    if (given === undefined) buffers.fill(initial, offset, offset + length);
    else buffers.set(given, offset);
  }
  const worker = plan.workers[0]!;
  const microBatch = worker.microBatches[0]!;
  const kernels = instantiateKernels(moduleOf(run.mode ?? 'strict'), memory);
  const member = attachMember(words, 0, layerNames(plan));
  const reductions = bindReductions(plan, worker, kernels, member);
  const setup = { plan, worker, microBatch, reductions, kernels, memory, member };
  const program = bindProgram({ ...setup, step });
  const floats = (ptr: number, shape: Shape): Float32Array =>
    new Float32Array(memory.buffer, ptr, samples * sizeOf(shape));
  floats(program.input.ptr, run.inputShape).set(run.x);
  for (const { forward } of program.operations) forward.parts[0]!();
  const y = floats(program.output.ptr, program.output.shape).slice();
  if (run.dy !== undefined) {
    floats(program.output.gradPtr, program.output.shape).set(run.dy);
    for (const { backward } of program.operations.toReversed()) backward.parts[0]!();
    for (const { update } of program.bufferUpdates) update();
  }
  const probed = plan.graph.operations[0]!;
  const probedValue = probed.op === 'layer' ? probed.output : 0;
  const basePtr = plan.workers[0]!.regions.activations.offsetBytes;
  const dxPtr = basePtr + microBatch.storage.gradientOffsetsBytes[probedValue]!;
  const node = plan.workers[0]!.nodes[0]!;
  const narrow = viewOf(memory, node.narrow);
  const wide = viewOf(memory, node.wide);
  const own = table.entries.filter(({ name }) => !name.startsWith('0.'));
  return {
    y,
    outputShape: program.output.shape,
    dx: floats(dxPtr, run.inputShape).slice(),
    parameters: Object.fromEntries(
      own.map(({ name, offset, length }) => [ownName(name), values.slice(offset, offset + length)]),
    ),
    gradients: Object.fromEntries(
      own.map(({ name, isWide, nodeOffset, length }) => [
        ownName(name),
        (isWide ? wide : narrow).slice(nodeOffset, nodeOffset + length),
      ]),
    ),
    buffers: Object.fromEntries(
      table.buffers.map(({ name, offset, length }) => [
        ownName(name),
        buffers.slice(offset, offset + length),
      ]),
    ),
  };
}

/** Without the place behind the probe. */
function ownName(name: string): string {
  return name.replace(/^1\./, '');
}

/** The largest difference, in units of the last place of the largest magnitude; infinite for
 * NaN. */
export function worstUlps(found: ArrayLike<number>, exact: ArrayLike<number>): number {
  return worstRelative(found, exact) * 2 ** 23;
}

/** The largest difference over the largest magnitude (rounded down to a power of two); infinite for
 * NaN and for different lengths. */
export function worstRelative(found: ArrayLike<number>, exact: ArrayLike<number>): number {
  if (found.length !== exact.length) return Number.POSITIVE_INFINITY;
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < exact.length; i++) {
    const difference = Math.abs(found[i]! - exact[i]!);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(exact[i]!));
  }
  if (worst === 0) return 0;
  return worst / 2 ** Math.floor(Math.log2(Math.max(scale, 2 ** -126)));
}

/** The replica that each sample belongs to. */
export function shardEnds(shards: readonly number[]): readonly number[] {
  let end = 0;
  return shards.map((count) => {
    end += count;
    return end;
  });
}
