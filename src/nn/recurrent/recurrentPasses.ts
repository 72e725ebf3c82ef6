// The passes of a bound recurrent layer: the products with both weights, then the optional
// normalizations and an elementwise cell, one time step after the other. Backward is
// backpropagation through time over all steps (Werbos 1990).

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { exchangingPieces, type PassPiece, runPieces } from '../../reduce/passPieces.ts';
import type { Binding, BoundLayer } from '../layers/layer.ts';
import { bindGrainSums, type GrainSums } from '../norms/grainSums.ts';
import type { RecurrentSpec } from '../specs/recurrent.ts';
import { bindCell } from './recurrentCells.ts';
import {
  biasName,
  cellFrameOf,
  frameOf,
  type NormedPart,
  normedColumns,
  normedParts,
  PARTS,
  type Part,
  type RecurrentFrame,
} from './recurrentFrame.ts';
import { type BoundStepNorm, bindStepNorm, type StepTensors } from './recurrentNorm.ts';
import { bindProducts } from './recurrentProducts.ts';

/** Binds a recurrent layer. */
export function bindRecurrent(spec: RecurrentSpec, binding: Binding): BoundLayer {
  const frame = frameOf(spec, binding);
  const { steps, statesPtr } = frame;
  const { kernels, step } = binding;
  const { hiddenSize, returnSequence } = spec;
  const sums = bindSums(frame);
  const allSums = [...sums.values()];
  const norms = bindNorms(frame, sums, PARTS);
  const cellNorms = bindNorms(frame, sums, ['Cell']);
  const allNorms = [...norms, ...cellNorms].flat();
  const cell = bindCell(frame, cellNorms);
  const products = bindProducts(frame);
  const addBiases = bindBiasGradients(frame, sums);
  const output = bindOutput(frame);
  const gradPtr = binding.workspacePtr('stateGrad');
  const termPtr = binding.workspacePtr('stateTerm');
  const addTerm = (): void =>
    kernels.addF32(gradPtr, gradPtr, termPtr, step.countSamples * hiddenSize);

  const begin = (): void => {
    kernels.zeroBytes(statesPtr, step.countSamples * hiddenSize * FLOAT_BYTES);
    products.packForward();
    products.input();
  };
  const stepForward = (t: number): readonly PassPiece[] => [
    { run: () => products.hidden(t) },
    ...norms[t]!.map((norm) => norm.forward),
    ...cell.forward(t),
  ];
  const beginBackward = (): void => {
    for (const sum of allSums) sum.clear();
    products.packBackward();
  };
  const readGradient = (t: number): void => {
    if (t === steps - 1) output.readGradient(t, gradPtr);
    else if (returnSequence) {
      output.readGradient(t, termPtr);
      addTerm();
    }
  };
  const stateGradient = (t: number): void => {
    // h(0) does not train.
    if (t === 0) return;
    products.stateGradient(t, cell.isCarrying ? termPtr : gradPtr);
    if (cell.isCarrying) addTerm();
  };
  const stepBackward = (t: number): readonly PassPiece[] => [
    { run: () => readGradient(t) },
    ...cell.backward(t, gradPtr),
    ...norms[t]!.map((norm) => norm.backward),
    { run: () => stateGradient(t) },
  ];
  const endBackward = (): void => {
    addBiases();
    products.foldWeights();
    for (const sum of allSums) sum.finish();
    products.inputGradient();
  };

  const times = Array.from({ length: steps }, (_, t) => t);
  const forward = [{ run: begin }, ...times.flatMap(stepForward), { run: output.write }];
  const backward = [
    { run: beginBackward },
    ...times.toReversed().flatMap(stepBackward),
    { run: endBackward },
  ];
  return {
    forward: () => runPieces(forward),
    backward: () => runPieces(backward),
    exchanging: exchangingPieces(forward, backward),
    updateBuffers() {
      for (const norm of allNorms) norm.updateRunningStatistics?.();
    },
  };
}

/** The sums of the biases and gains that train, by the parameters' names. */
function bindSums({ spec, binding }: RecurrentFrame): ReadonlyMap<string, GrainSums> {
  const { kernels, countGrains } = binding;
  return new Map(
    summedParameters(spec).flatMap(({ name, columns }) => {
      const workspacePtr = binding.workspacePtr(`${name}.sums`);
      const sink = binding.gradient(name);
      if (sink === undefined) return [];
      const setup = { kernels, countGrains, length: columns, workspacePtr, sink };
      return [[name, bindGrainSums(setup)] as const];
    }),
  );
}

/** The parameters with gradients that every time step adds to. */
export function summedParameters(
  spec: RecurrentSpec,
): readonly { readonly name: string; readonly columns: number }[] {
  const parts = normedParts(spec);
  const biased = parts.length === 0 ? PARTS : parts;
  return [
    ...(spec.bias ? biased : []).map((part) => [biasName(part), part] as const),
    ...parts.map((part) => [`normWeight${part}`, part] as const),
  ].map(([name, part]) => ({ name, columns: normedColumns(spec, part) }));
}

/** The normalizations of each time step that are among `parts`; none without a norm. */
function bindNorms(
  frame: RecurrentFrame,
  sums: ReadonlyMap<string, GrainSums>,
  parts: readonly NormedPart[],
): readonly (readonly BoundStepNorm[])[] {
  const { spec, binding, steps } = frame;
  const normed = normedParts(spec).filter((part) => parts.includes(part));
  return Array.from({ length: steps }, (_, t) =>
    normed.map((part) => {
      const gradients = {
        weight: sums.get(`normWeight${part}`),
        bias: sums.get(biasName(part)),
      };
      const tensors = part === 'Cell' ? cellTensors(frame, t) : partTensors(frame, part, t);
      return bindStepNorm(spec, binding, { part, t, tensors }, gradients);
    }),
  );
}

function partTensors(frame: RecurrentFrame, part: Part, t: number): StepTensors {
  const at = t * frame.gateStepBytes;
  return {
    xPtr: frame.products[part] + at,
    yPtr: frame.normed[part] + at,
    dyPtr: frame.gateGrads[part] + at,
    dxPtr: frame.productGrads[part] + at,
  };
}

function cellTensors(frame: RecurrentFrame, t: number): StepTensors {
  const { cellsPtr, squashedPtr, squashGradPtr, cellTermPtr } = cellFrameOf(frame);
  return {
    xPtr: cellsPtr + (t + 1) * frame.stateStepBytes,
    yPtr: squashedPtr + t * frame.stateStepBytes,
    dyPtr: squashGradPtr,
    dxPtr: cellTermPtr,
  };
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

/** Binds the copies from the states to the layer's output and back. */
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
    /** Writes the output's contribution to the gradient of h(t + 1). */
    readGradient(t: number, toPtr: number): void {
      const fromPtr = output.gradPtr + (t - first) * stateBytes;
      const { countSamples } = step;
      kernels.copyRowsF32(fromPtr, outputBytes, toPtr, stateBytes, countSamples, hiddenSize);
    },
  };
}
