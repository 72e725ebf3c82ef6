// Normalizations over single samples, as functions: the passes of norm/sampleNorm.ts, with their
// statistics saved once for each mean instead of once for each channel.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import { sizeOf } from '../base/shape.ts';
import type { LayerNormSpec } from '../nn/specs/norms.ts';
import { readCoefficients, writeCoefficients } from '../norm/coefficients.ts';
import { bindGroupNorm, bindLayerNorm, groupNormScratchLength } from '../norm/sampleNorm.ts';
import type { TensorRules } from './checks.ts';
import { makeNorm } from './norm.ts';
import type { Norm } from './types.ts';
import type { Workspace } from './workspace.ts';

export interface GroupsOfChannels {
  readonly channels: number;
  /** One group per channel makes it an instance normalization. */
  readonly numGroups: number;
  readonly rowsPerSample: number;
  readonly eps: number;
}

export function makeGroupNorm(work: Workspace, rules: TensorRules, groups: GroupsOfChannels): Norm {
  const { channels, numGroups, rowsPerSample, eps } = groups;
  const width = channels / numGroups;
  const count = rowsPerSample * width;
  const { norm } = makeNorm(work, {
    ...rules,
    eps,
    bind(setup, samples) {
      const coefficientsPtr = work.takeDoubles(samples * 4 * channels);
      const scratchPtr = work.takeDoubles(groupNormScratchLength(channels, samples));
      const ptrOf = (sample: number): number =>
        coefficientsPtr + sample * 4 * channels * DOUBLE_BYTES;
      const { forward, backward } = bindGroupNorm({
        ...setup,
        channels,
        numGroups,
        rowsPerSample,
        coefficientsPtr,
        scratchPtr,
      });
      return {
        forward,
        backward,
        save() {
          const length = samples * numGroups;
          const mean = new Float64Array(length);
          const invStd = new Float64Array(length);
          for (let i = 0; i < length; i++) {
            const ptr = ptrOf(Math.floor(i / numGroups));
            const first = readCoefficients(work, ptr, channels, (i % numGroups) * width);
            mean[i] = first.mean;
            invStd[i] = first.invStd;
          }
          return { mean, invStd, count };
        },
        restore({ mean, invStd, weight }) {
          for (let i = 0; i < samples * channels; i++) {
            const channel = i % channels;
            const set = Math.floor(i / width);
            const statistics = { mean: mean[set]!, invStd: invStd[set]! };
            writeCoefficients(
              work,
              ptrOf(Math.floor(i / channels)),
              { channels, channel },
              { ...statistics, weight: weight?.[channel] ?? 1 },
            );
          }
        },
      };
    },
  });
  return norm;
}

export function makeLayerNorm(work: Workspace, rules: TensorRules, spec: LayerNormSpec): Norm {
  const length = sizeOf(spec.normalizedShape);
  const { norm } = makeNorm(work, {
    ...rules,
    eps: spec.eps,
    bind(setup, rows) {
      const statisticsPtr = work.takeDoubles(2 * rows);
      const { doubles } = work;
      const at = statisticsPtr / DOUBLE_BYTES;
      const { forward, backward } = bindLayerNorm({
        ...setup,
        length,
        rowsPerSample: 1,
        statisticsPtr,
        // Only used with a relu.
        openGradPtr: 0,
      });
      return {
        forward,
        backward,
        save() {
          const mean = Float64Array.from({ length: rows }, (_, row) => doubles[at + 2 * row]!);
          const invStd = Float64Array.from(
            { length: rows },
            (_, row) => doubles[at + 2 * row + 1]!,
          );
          return { mean, invStd, count: length };
        },
        restore({ mean, invStd }) {
          for (let row = 0; row < rows; row++) {
            doubles[at + 2 * row] = mean[row]!;
            doubles[at + 2 * row + 1] = invStd[row]!;
          }
        },
      };
    },
  });
  return norm;
}
