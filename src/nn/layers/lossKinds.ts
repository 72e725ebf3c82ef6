// The losses: one object for each, with everything that is known about it.

import { NO_CLASS } from '../../base/noClass.ts';
import type {
  BinaryCrossEntropySpec,
  CrossEntropySpec,
  HuberSpec,
  L1Spec,
  LossSpec,
  MeanSquaredErrorSpec,
} from '../specs/losses.ts';
import { customLossKind } from './customLoss.ts';
import type { BoundLoss, LossBinding, LossKind, TargetForm } from './loss.ts';

const crossEntropyKind: LossKind<CrossEntropySpec> = {
  takes: ['classes', 'masks', 'numbers'],
  knowsRight: true,
  range: 'shares',
  outputWeights: ({ classWeights }) => classWeights,
  bind({ labelSmoothing, ignoreIndex = NO_CLASS }, binding) {
    const { kernels, step, positions, outputPtr, labelsPtr, numbersPtr } = binding;
    const classes = binding.outputLength / positions;
    const { lossesPtr, correctPtr, weightsPtr, outputWeightsPtr } = binding;
    return {
      run() {
        const hasShares = labelsPtr === 0 || (step.training && numbersPtr !== 0);
        kernels.softmaxCrossEntropyF32(
          outputPtr,
          labelsPtr,
          hasShares ? numbersPtr : 0,
          gradPtrOf(binding),
          lossesPtr,
          correctPtr,
          weightsPtr,
          outputWeightsPtr,
          step.countSamples,
          positions,
          classes,
          ignoreIndex,
          labelSmoothing,
          step.globalCount,
        );
      },
    };
  },
};

const binaryCrossEntropyKind: LossKind<BinaryCrossEntropySpec> = {
  takes: ['numbers'],
  knowsRight: true,
  range: 'unit',
  outputWeights: ({ posWeight }) => posWeight,
  bind(_spec, binding) {
    const { kernels, step, outputLength, outputPtr, numbersPtr } = binding;
    const { lossesPtr, correctPtr, weightsPtr, outputWeightsPtr } = binding;
    return {
      run() {
        kernels.binaryCrossEntropyF32(
          outputPtr,
          numbersPtr,
          gradPtrOf(binding),
          lossesPtr,
          correctPtr,
          weightsPtr,
          outputWeightsPtr,
          step.countSamples,
          outputLength,
          step.globalCount,
        );
      },
    };
  },
};

interface DifferenceShape {
  readonly curvature: number;
  readonly delta: number;
  readonly slope: number;
}

/** A loss of the differences from targets; the formula is that of `huberF32`. */
function differenceKind<Spec extends LossSpec>(
  shapeOf: (spec: Spec) => DifferenceShape,
): LossKind<Spec> {
  return {
    takes: ['numbers'],
    knowsRight: false,
    bind(spec, binding) {
      const { curvature, delta, slope } = shapeOf(spec);
      const { kernels, step, outputLength, outputPtr, numbersPtr, lossesPtr } = binding;
      return {
        run() {
          kernels.huberF32(
            outputPtr,
            numbersPtr,
            gradPtrOf(binding),
            lossesPtr,
            binding.weightsPtr,
            step.countSamples,
            outputLength,
            step.globalCount,
            curvature,
            delta,
            slope,
          );
        },
      };
    },
  };
}

/** The address of the gradient; 0 if it is not needed. */
function gradPtrOf({ step, outputGradPtr }: LossBinding): number {
  return step.training ? outputGradPtr : 0;
}

const kinds: {
  readonly [Kind in LossSpec['kind']]: LossKind<Extract<LossSpec, { kind: Kind }>>;
} = {
  crossEntropy: crossEntropyKind,
  binaryCrossEntropy: binaryCrossEntropyKind,
  meanSquaredError: differenceKind<MeanSquaredErrorSpec>(() => ({
    curvature: 2,
    delta: Number.POSITIVE_INFINITY,
    slope: 0,
  })),
  l1: differenceKind<L1Spec>(() => ({ curvature: 0, delta: 0, slope: 1 })),
  huber: differenceKind<HuberSpec>(({ delta }) => ({ curvature: 1, delta, slope: delta })),
  customLoss: customLossKind,
};

/** The object with everything that is known about a loss. */
export function lossKindOf(spec: LossSpec): LossKind<LossSpec> {
  return kinds[spec.kind] as LossKind<LossSpec>;
}

/** The names of the losses that take targets of this form. */
export function lossesTaking(form: TargetForm): readonly LossSpec['kind'][] {
  const names = Object.keys(kinds) as LossSpec['kind'][];
  return names.filter((name) => kinds[name].takes.includes(form));
}

/** Binds a loss to its addresses. */
export function bindLoss(spec: LossSpec, binding: LossBinding): BoundLoss {
  return lossKindOf(spec).bind(spec, binding);
}
