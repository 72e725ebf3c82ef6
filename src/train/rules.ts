// The optimizer of a worker, bound once for each update rule. Each rule has its own rates, which
// follow the schedule.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import { averageRateAt } from '../optim/averageRate.ts';
import { bindOptimizer, countRates, writeRates } from '../optim/bindOptimizer.ts';
import { writeClipScale } from '../optim/clip.ts';
import { type BoundOptimizer, RATE_GRAD_SCALE } from '../optim/kind.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { RunPlan } from '../plan/plan.ts';

/** How parameters of one rule are updated. */
export interface BoundRule {
  readonly optimizer: BoundOptimizer;
  /** The rates of the step, in this worker's memory. */
  readonly rates: Float64Array;
}

export interface BoundRules {
  /** In the order of the plan's rules. */
  readonly bound: readonly BoundRule[];
  /** The rates of all rules; the last one is that of the average. */
  readonly rates: Float64Array;
  /** Computes the rates of steps [from, to) of `totalSteps` from the rate `baseLr` in advance,
   * since numbers that functions return within a step could be heap-allocated. */
  prepare(from: number, to: number, totalSteps: number, baseLr: number): void;
  /** Writes the rates of a step to where the optimizers read them. */
  take(step: number): void;
  /** After {@link take}: scales the gradients of the step down to a norm of `maxNorm`; `squares`
   * are the sums of squares of all blocks. */
  clip(squares: Float64Array, maxNorm: number): void;
}

/** Binds the rules to a worker's rates: those of an optimizer for each rule, then the average's. */
export function bindRules(
  setup: {
    readonly plan: RunPlan;
    readonly kernels: KernelExports;
    readonly memory: WebAssembly.Memory;
  },
  region: Region<'f64'>,
): BoundRules {
  const { plan, kernels, memory } = setup;
  const { schedule, optimizer, averaging } = plan.config;
  const rates = viewOf(memory, region);
  const count = countRates(optimizer);
  const rules = plan.parameters.rules.map(({ lrScale, weightDecay }, i) => ({
    lrScale,
    spec: weightDecay === null ? optimizer : { ...optimizer, weightDecay },
    rates: rates.subarray(i * count, (i + 1) * count),
    ratesPtr: region.offsetBytes + i * count * DOUBLE_BYTES,
  }));
  let firstStep = 0;
  let table = new Float64Array();
  return {
    bound: rules.map(({ spec, ratesPtr, rates: own }) => {
      return { optimizer: bindOptimizer(spec, kernels, ratesPtr), rates: own };
    }),
    rates,
    prepare(from, to, totalSteps, baseLr) {
      const run = { totalSteps, stepsPerEpoch: plan.stepsPerEpoch };
      firstStep = from;
      table = new Float64Array((to - from) * rates.length);
      for (let i = 0; i < to - from; i++) {
        const lr = learningRateAt(schedule, baseLr, from + i, run);
        for (const rule of rules) writeRates(rule.spec, from + i, rule.lrScale * lr, rule.rates);
        if (averaging !== undefined) {
          rates[rates.length - 1] = averageRateAt(averaging, from + i, plan.stepsPerEpoch);
        }
        table.set(rates, i * rates.length);
      }
    },
    take(step) {
      const at = (step - firstStep) * rates.length;
      for (let i = 0; i < rates.length; i++) rates[i] = table[at + i]!;
    },
    clip(squares, maxNorm) {
      for (const rule of rules) writeClipScale(squares, maxNorm, rule.rates, RATE_GRAD_SCALE);
    },
  };
}
