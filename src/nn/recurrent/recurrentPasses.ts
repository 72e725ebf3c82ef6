// What a bound recurrent layer does: the products with both weights, between them the optional
// normalizations and an elementwise cell, one time step after the other. Backward is
// backpropagation through time over all steps (Werbos 1990).

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding, BoundLayer } from '../layers/layer.ts';
import { bindGrainSums, type GrainSums } from '../norms/grainSums.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';
import { bindCell } from './recurrentCells.ts';
import { frameOf, PARTS, type RecurrentFrame } from './recurrentFrame.ts';
import { type BoundStepNorm, bindStepNorm } from './recurrentNorm.ts';
import { bindProducts } from './recurrentProducts.ts';

/** Binds a recurrent layer. */
export function bindRecurrent(spec: RecurrentSpec, binding: Binding): BoundLayer {
  const frame = frameOf(spec, binding);
  const { steps, statesPtr } = frame;
  const { kernels, step } = binding;
  const { hiddenSize, returnSequence } = spec;
  const cell = bindCell(frame);
  const products = bindProducts(frame);
  const sums = bindSums(frame);
  const allSums = [...sums.values()];
  const norms = bindNorms(frame, sums);
  const addBiases = bindBiasGradients(frame, sums);
  const output = bindOutput(frame);
  const gradPtr = binding.workspacePtr('stateGrad');
  const termPtr = binding.workspacePtr('stateTerm');
  const addTerm = (): void =>
    kernels.addF32(gradPtr, gradPtr, termPtr, step.countSamples * hiddenSize);

  const backwardStep = (t: number): void => {
    if (t === steps - 1) output.readGradient(t, gradPtr);
    else if (returnSequence) {
      output.readGradient(t, termPtr);
      addTerm();
    }
    cell.backward(t, gradPtr);
    for (const norm of norms[t]!) norm.backward();
    // Nothing trains h(0).
    if (t === 0) return;
    products.stateGradient(t, cell.isCarrying ? termPtr : gradPtr);
    if (cell.isCarrying) addTerm();
  };

  return {
    forward() {
      kernels.zeroBytes(statesPtr, step.countSamples * hiddenSize * FLOAT_BYTES);
      products.packForward();
      products.input();
      for (let t = 0; t < steps; t++) {
        products.hidden(t);
        for (const norm of norms[t]!) norm.forward();
        cell.forward(t);
      }
      output.write();
    },
    backward() {
      for (const sum of allSums) sum.clear();
      products.packBackward();
      for (let t = steps - 1; t >= 0; t--) backwardStep(t);
      addBiases();
      products.foldWeights();
      for (const sum of allSums) sum.finish();
      products.inputGradient();
    },
    updateBuffers() {
      for (const ofStep of norms) {
        for (const norm of ofStep) norm.updateRunningStatistics?.();
      }
    },
  };
}

/** The sums of the biases and gains that train, by the parameters' names. */
function bindSums({ spec, binding, columns }: RecurrentFrame): ReadonlyMap<string, GrainSums> {
  const { kernels, countGrains } = binding;
  return new Map(
    summedParameters(spec).flatMap((parameter) => {
      const workspacePtr = binding.workspacePtr(`${parameter}.sums`);
      const sink = binding.gradient(parameter);
      if (sink === undefined) return [];
      const setup = { kernels, countGrains, length: columns, workspacePtr, sink };
      return [[parameter, bindGrainSums(setup)] as const];
    }),
  );
}

/** The parameters that every time step adds to. */
export function summedParameters(spec: RecurrentSpec): readonly string[] {
  const names = [...(spec.bias ? ['bias'] : []), ...(spec.norm === 'none' ? [] : ['normWeight'])];
  return names.flatMap((name) => PARTS.map((part) => `${name}${part}`));
}

/** The normalizations of each time step; none without a norm. */
function bindNorms(
  frame: RecurrentFrame,
  sums: ReadonlyMap<string, GrainSums>,
): readonly (readonly BoundStepNorm[])[] {
  const { spec, binding, steps, gateStepBytes } = frame;
  const parts = frame.hasNorm ? PARTS : [];
  return Array.from({ length: steps }, (_, t) =>
    parts.map((part) => {
      const at = t * gateStepBytes;
      const tensors = {
        xPtr: frame.products[part] + at,
        yPtr: frame.normed[part] + at,
        dyPtr: frame.gateGrads[part] + at,
        dxPtr: frame.productGrads[part] + at,
      };
      const bias = sums.get(`bias${part}`);
      const gradients = { weight: sums.get(`normWeight${part}`), bias };
      return bindStepNorm(spec, binding, { part, t, tensors }, gradients);
    }),
  );
}

/** Adds up the gradients of the biases over time steps; a normalization does that by itself. */
function bindBiasGradients(
  frame: RecurrentFrame,
  sums: ReadonlyMap<string, GrainSums>,
): () => void {
  const { spec, binding, steps, columns, gateStepBytes } = frame;
  const { kernels, step } = binding;
  const parts = spec.bias && !frame.hasNorm ? PARTS : [];
  const biases = parts.flatMap((part) => {
    const sum = sums.get(`bias${part}`);
    return sum === undefined ? [] : [{ ptr: frame.gateGrads[part], sum }];
  });
  return () => {
    for (const { ptr, sum } of biases) {
      for (let grain = 0; grain < binding.countGrains; grain++) {
        const start = step.grainStart[grain]!;
        const samples = step.grainStart[grain + 1]! - start;
        for (let t = steps - 1; t >= 0; t--) {
          const dyPtr = ptr + t * gateStepBytes + start * columns * FLOAT_BYTES;
          kernels.columnSumsF32(dyPtr, samples, columns, sum.leafPtr(grain));
          sum.fold(grain);
        }
      }
    }
  };
}

/** From the states to the layer's output and back. */
function bindOutput({ spec, binding, steps, statesPtr, stateStepBytes }: RecurrentFrame) {
  const { kernels, step, output } = binding;
  const { hiddenSize, returnSequence } = spec;
  const stateBytes = hiddenSize * FLOAT_BYTES;
  const outputBytes = returnSequence ? steps * stateBytes : stateBytes;
  const first = returnSequence ? 0 : steps - 1;
  return {
    write(): void {
      for (let t = first; t < steps; t++) {
        const fromPtr = statesPtr + (t + 1) * stateStepBytes;
        const toPtr = output.ptr + (t - first) * stateBytes;
        const { countSamples } = step;
        kernels.copyRowsF32(fromPtr, stateBytes, toPtr, outputBytes, countSamples, hiddenSize);
      }
    },
    /** What the output gives to the gradient of h(t + 1). */
    readGradient(t: number, toPtr: number): void {
      const fromPtr = output.gradPtr + (t - first) * stateBytes;
      const { countSamples } = step;
      kernels.copyRowsF32(fromPtr, outputBytes, toPtr, stateBytes, countSamples, hiddenSize);
    },
  };
}
