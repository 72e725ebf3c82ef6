// The optimizer of a worker, bound once for each rule by which parameters are updated. Each rule
// has rates of its own, which follow the schedule.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import { bindOptimizer, countRates, RATE_GRAD_SCALE, writeRates } from '../optim/bindOptimizer.ts';
import { writeClipScale } from '../optim/clip.ts';
import type { BoundOptimizer } from '../optim/kind.ts';
import { learningRateAt } from '../optim/learningRate.ts';
import type { RunPlan } from '../plan/plan.ts';

export interface BoundRules {
  /** In the order of the plan's rules. */
  readonly optimizers: readonly BoundOptimizer[];
  /** Works out the rates of steps [from, to) of `totalSteps` before the first: numbers that
   * functions return in a step may be allocated. */
  prepare(from: number, to: number, totalSteps: number): void;
  /** Writes the rates of a step where the optimizers read them. */
  take(step: number): void;
  /** After {@link take}: scales the gradients of the step down to a norm of `maxNorm`; `squares`
   * are the sums of squares of all blocks. */
  clip(squares: Float64Array, maxNorm: number): void;
}

/** Binds the rules to a worker's rates, [rules, rates of an optimizer]. */
export function bindRules(
  setup: {
    readonly plan: RunPlan;
    readonly kernels: KernelExports;
    readonly memory: WebAssembly.Memory;
  },
  region: Region<'f64'>,
): BoundRules {
  const { plan, kernels, memory } = setup;
  const { schedule, optimizer } = plan.config;
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
    optimizers: rules.map(({ spec, ratesPtr }) => bindOptimizer(spec, kernels, ratesPtr)),
    prepare(from, to, totalSteps) {
      firstStep = from;
      table = new Float64Array((to - from) * rates.length);
      for (let i = 0; i < to - from; i++) {
        const lr = learningRateAt(schedule, optimizer.lr, from + i, totalSteps);
        for (const rule of rules) writeRates(rule.spec, from + i, rule.lrScale * lr, rule.rates);
        table.set(rates, i * rates.length);
      }
    },
    take(step) {
      const at = (step - firstStep) * rates.length;
      for (let i = 0; i < rates.length; i++) rates[i] = table[at + i]!;
    },
    clip(squares, maxNorm) {
      for (let at = RATE_GRAD_SCALE; at < rates.length; at += count) {
        writeClipScale(squares, maxNorm, rates, at);
      }
    },
  };
}
