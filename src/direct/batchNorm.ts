// Batch normalization over the ranks of a group: the passes of norm/batchNorm.ts with reductions
// that exchange through the group's public calls.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { BatchNormSpec } from '../nn/specs/norms.ts';
import { bindBatchNorm, coefficientsLength, oneValueError } from '../norm/batchNorm.ts';
import { writeCoefficients } from '../norm/coefficients.ts';
import type { NormSetup } from '../norm/setup.ts';
import type { BoundReduction } from '../reduce/reduction.ts';
import type { Group } from '../sync/group.ts';
import { checkCotangents, type TensorRules } from './checks.ts';
import { bindDoubleBackward } from './doubleBackward.ts';
import { bindExchange, withoutExchange } from './exchange.ts';
import { type BoundPasses, makeNorm } from './norm.ts';
import type { BatchNorm, RunningStatistics, SavedNorm } from './types.ts';
import type { Workspace } from './workspace.ts';

/** A batch normalization of a spec, over the ranks of the group, regardless of its `sync`. */
export function makeBatchNorm(
  work: Workspace,
  rules: TensorRules,
  spec: BatchNormSpec,
  group: Group,
): BatchNorm {
  const { channels } = spec;
  const { name } = rules;
  const state = spec.trackRunningStats ? makeState(work, channels) : undefined;
  const exchanged = bindExchange(work, {
    group,
    combine: 'moments',
    channels,
    label: `${name} forward`,
  });
  const sums = bindExchange(work, { group, combine: 'sums', channels, label: `${name} backward` });
  const countAt = exchanged.groupPtrs[0]! / DOUBLE_BYTES;
  const moments: BoundReduction = {
    ...exchanged,
    finish() {
      exchanged.finish();
      // Thrown on all ranks, also on those without rows.
      if (work.doubles[countAt] === 1) throw oneValueError(name);
    },
  };

  const bind = (setup: NormSetup): BoundPasses => {
    const coefficientsPtr = work.takeDoubles(coefficientsLength(channels, 1));
    const bound = bindBatchNorm({
      ...setup,
      path: name,
      memory: work.memory,
      channels,
      rowsPerSample: 1,
      momentum: spec.momentum,
      running: state && {
        meanPtr: state.runningMean.byteOffset,
        varPtr: state.runningVar.byteOffset,
        countPtr: state.numBatchesTracked.byteOffset,
      },
      coefficientsPtr,
      // Without running statistics, evaluation uses each rank's own batch statistics, as PyTorch
      // does.
      moments: setup.step.training ? moments : withoutExchange(exchanged),
      sums,
    });
    return {
      forward() {
        bound.forward();
        if (setup.step.training) bound.updateRunningStatistics();
      },
      backward: bound.backward,
      save: () => statisticsOf(work, exchanged.groupPtrs[0]!, channels, setup.eps),
      restore({ mean, invStd, count, weight }: SavedNorm) {
        work.doubles[countAt] = count;
        for (let c = 0; c < channels; c++) {
          writeCoefficients(
            work,
            coefficientsPtr,
            { channels, channel: c },
            { mean: mean[c]!, invStd: invStd[c]!, weight: weight?.[c] ?? 1 },
          );
        }
      },
    };
  };
  const { norm, checkBackward } = makeNorm(work, { ...rules, eps: spec.eps, bind });
  // Allocates memory of the group in the first call, since few layers need it.
  let twice: ReturnType<typeof bindDoubleBackward> | undefined;
  return {
    ...norm,
    state,
    doubleBackward(dy, saved, gradients) {
      checkBackward(dy, saved);
      const given = checkCotangents(name, gradients, { length: dy.length, channels });
      twice ??= bindDoubleBackward(work, { group, channels, label: `${name} double backward` });
      return twice({ dy, saved, given });
    },
  };
}

/** Computed from the group's moments instead of the coefficients, which a rank without rows does
 * not have. The operations are those of the kernel, so the bits are the same. */
function statisticsOf(work: Workspace, vectorPtr: number, channels: number, eps: number) {
  const count = work.doubles[vectorPtr / DOUBLE_BYTES]!;
  const mean = work.copyDoubles(vectorPtr + DOUBLE_BYTES, channels);
  const invStd = work.copyDoubles(vectorPtr + (1 + channels) * DOUBLE_BYTES, channels);
  for (let c = 0; c < channels; c++) {
    invStd[c] = count === 0 ? 0 : 1 / Math.sqrt(invStd[c]! / count + eps);
  }
  return { mean, invStd, count };
}

function makeState(work: Workspace, channels: number): RunningStatistics {
  return {
    runningMean: work.allocateDoubles(channels),
    runningVar: work.allocateDoubles(channels).fill(1),
    numBatchesTracked: work.allocateDoubles(1),
  };
}
