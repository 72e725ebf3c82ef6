// The steps of every norm's calls: check arguments, find addresses, bind the passes of `norm`, run
// them, and return the saved data. Binding takes only a few microseconds, so a layer keeps no
// state.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { accept } from '../base/values.ts';
import type { NormSetup } from '../norm/setup.ts';
import type { GradientSink } from '../reduce/gradientSink.ts';
import { checkInput, checkLength, checkParameters, outputFor, type TensorRules } from './checks.ts';
import type { Norm, NormGradients, NormInputs, ParameterGradients, SavedNorm } from './types.ts';
import type { Workspace } from './workspace.ts';

/** The statistics that are saved. */
export type Statistics = Pick<SavedNorm, 'mean' | 'invStd' | 'count'>;

/** The passes of one call. */
export interface BoundPasses {
  forward(): void;
  backward(): void;
  /** Returns what backward needs, after forward in training. */
  save(): Statistics;
  /** Restores saved statistics before backward. */
  restore(saved: SavedNorm): void;
}

/** The definition of a kind of norm. */
export interface NormKind extends TensorRules {
  readonly eps: number;
  bind(setup: NormSetup, units: number): BoundPasses;
}

/** The addresses of one call; 0 for absent tensors. */
type CallPtrs = Omit<NormSetup, 'kernels' | 'step' | 'countGrains' | 'eps'>;

const NO_TENSORS: CallPtrs = {
  xPtr: 0,
  yPtr: 0,
  dyPtr: 0,
  dxPtr: 0,
  weightPtr: 0,
  biasPtr: 0,
  weightGrad: undefined,
  biasGrad: undefined,
};

const floats = accept<Float32Array>('a Float32Array', (array) => array instanceof Float32Array);
const inputsSchema = optionsSchema<NormInputs>()({
  weight: floats.optional(),
  bias: floats.optional(),
  y: floats.optional(),
});
const outputsSchema = optionsSchema<{ readonly dx?: Float32Array }>()({
  dx: floats.exactOptional(),
});

/** A norm, and the check of arguments for other calls that take saved data. */
export interface CheckedNorm {
  readonly norm: Norm;
  checkBackward(dy: Float32Array, saved: SavedNorm): void;
}

/** A norm of a kind, on the memory of a workspace. */
export function makeNorm(work: Workspace, kind: NormKind): CheckedNorm {
  const own = new WeakSet<SavedNorm>();
  const { name } = kind;
  const run = bindForward(work, kind);
  const differentiate = bindBackward(work, kind);

  const checkBackward = (dy: Float32Array, saved: SavedNorm): void => {
    if (!own.has(saved)) {
      throw new UsageError({
        what: `saved in backward of ${name}`,
        given: 'one from another norm, or a copy',
        allowed: 'the `saved` that forward of this norm returned',
      });
    }
    checkLength(`the output's gradient of ${name}`, dy, saved.x.length);
  };

  const norm: Norm = {
    forward(x, given = {}) {
      const units = checkInput(kind, x);
      const inputs = parseOptions(`forward of ${name}`, inputsSchema, given);
      const { weight } = inputs;
      const y = outputFor(`y of ${name}`, inputs.y, { kept: x, length: x.length });
      const passes = run(x, units, { ...inputs, y }, true);
      const saved: SavedNorm = { x, weight: weight?.slice(), ...passes.save() };
      own.add(saved);
      return { y, saved };
    },
    evaluate(x, given = {}) {
      const units = checkInput(kind, x);
      const inputs = parseOptions(`evaluate of ${name}`, inputsSchema, given);
      const y = outputFor(`y of ${name}`, inputs.y, { replaced: x, length: x.length });
      run(x, units, { ...inputs, y }, false);
      return y;
    },
    backward(dy, saved, given = {}): NormGradients {
      checkBackward(dy, saved);
      const outputs = parseOptions(`backward of ${name}`, outputsSchema, given);
      const { x } = saved;
      const parts = { kept: x, replaced: dy, length: x.length };
      const dx = outputFor(`dx of ${name}`, outputs.dx, parts);
      return { dx, ...differentiate(dy, saved, dx) };
    },
    parameterGradients(dy, saved) {
      checkBackward(dy, saved);
      return differentiate(dy, saved, undefined);
    },
  };
  return { norm, checkBackward };
}

function bindPasses(
  { kernels }: Workspace,
  kind: NormKind,
  ptrs: CallPtrs,
  call: { readonly units: number; readonly training: boolean },
): BoundPasses {
  const { units, training } = call;
  const step = { training, grainStart: Int32Array.of(0, units) };
  return kind.bind({ ...ptrs, kernels, step, countGrains: 1, eps: kind.eps }, units);
}

/** Returns a function that runs the passes over an input of `units` units. */
function bindForward(
  work: Workspace,
  kind: NormKind,
): (
  x: Float32Array,
  units: number,
  inputs: NormInputs & { readonly y: Float32Array },
  training: boolean,
) => BoundPasses {
  return (x, units, inputs, training) => {
    const { weight, bias, y } = inputs;
    checkParameters(kind, inputs);
    work.begin(x, y);
    const yPtr = work.output(y);
    const ptrs = {
      ...NO_TENSORS,
      xPtr: work.input(x),
      yPtr,
      weightPtr: weight === undefined ? 0 : work.input(weight),
      biasPtr: bias === undefined ? 0 : work.input(bias),
    };
    const passes = bindPasses(work, kind, ptrs, { units, training });
    passes.forward();
    work.deliver(y, yPtr);
    return passes;
  };
}

/** Returns a function that computes the gradients of the parameters and writes dx, if given. */
function bindBackward(
  work: Workspace,
  kind: NormKind,
): (dy: Float32Array, saved: SavedNorm, dx: Float32Array | undefined) => ParameterGradients {
  const { parameterLength } = kind;
  return (dy, saved, dx) => {
    work.begin(saved.x, dy);
    const weightGradPtr = work.takeDoubles(parameterLength);
    const biasGradPtr = work.takeDoubles(parameterLength);
    const dxPtr = dx === undefined ? 0 : work.output(dx);
    const ptrs = {
      ...NO_TENSORS,
      xPtr: work.input(saved.x),
      dyPtr: work.input(dy),
      dxPtr,
      weightPtr: saved.weight === undefined ? 0 : work.input(saved.weight),
      weightGrad: sinkTo(weightGradPtr),
      biasGrad: sinkTo(biasGradPtr),
    };
    const units = saved.x.length / kind.unit;
    const passes = bindPasses(work, kind, ptrs, { units, training: true });
    passes.restore(saved);
    passes.backward();
    if (dx !== undefined) work.deliver(dx, dxPtr);
    return {
      weightGrad: work.copyDoubles(weightGradPtr, parameterLength),
      biasGrad: work.copyDoubles(biasGradPtr, parameterLength),
    };
  };
}

/** A sink for a single grain, which needs no folding. */
function sinkTo(leafPtr: number): GradientSink {
  return { leafPtr: () => leafPtr, fold: () => undefined };
}
