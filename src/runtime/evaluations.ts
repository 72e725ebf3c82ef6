// Evaluations of a run on a split, with its weights or with their average.

import type { MetricName } from '../observe/metric.ts';
import { checkInference } from '../plan/feasible.ts';
import type { SplitName } from '../train/context.ts';
import { batchesFor, checkAverage, takeAverage, withAverage } from './averaged.ts';
import { parseEvaluateOptions, parseUseAverageOptions } from './door.ts';
import {
  countSamples,
  type EvaluateOptions,
  type Evaluation,
  evaluateOn,
  metricsFor,
  type SplitMetrics,
  type UseAverageOptions,
} from './evaluation.ts';
import type { Occupation } from './occupation.ts';
import type { RunSetup } from './runSetup.ts';
import type { Team } from './team.ts';

/** What an evaluation needs of a run. */
export interface EvaluatedRun {
  readonly occupation: Occupation;
  /** The setup, with the current workers and the number of completed steps. */
  parts(): RunSetup & Pick<Team, 'plan' | 'words'>;
  done(): number;
  /** Watches workers that change the state. */
  inSteps<T>(running: Promise<T>): Promise<T>;
}

export class Evaluations {
  private readonly run: EvaluatedRun;

  constructor(run: EvaluatedRun) {
    this.run = run;
  }

  async evaluate<Name extends MetricName>(
    split: SplitName,
    given: EvaluateOptions<Name>,
  ): Promise<Evaluation<Name>> {
    const { weights, batches, metrics = [] } = parseEvaluateOptions(given);
    this.check(split, 'evaluate');
    const counted = metricsFor(this.run.parts(), split, metrics);
    const evaluated = () => this.now(split, counted);
    const { occupation } = this.run;
    if (weights === 'raw') return occupation.exclusively('evaluate', evaluated);
    const { plan } = this.run.parts();
    checkAverage('evaluate', plan, this.run.done());
    const measured = batchesFor(plan, batches);
    return occupation.exclusively('evaluate', () =>
      withAverage(this.averaged, measured, evaluated),
    );
  }

  async useAverage(given: UseAverageOptions): Promise<void> {
    const { batches } = parseUseAverageOptions(given);
    const { plan } = this.run.parts();
    checkAverage('useAverage()', plan, this.run.done());
    const measured = batchesFor(plan, batches);
    await this.run.occupation.exclusively('useAverage', () =>
      this.run.inSteps(takeAverage(this.averaged, measured)),
    );
  }

  /** Throws a {@link UsageError} if a split cannot be evaluated; `what` is the caller's name. */
  check(split: SplitName, what: string): void {
    const count = this.count(split, what);
    checkInference(`${what} of '${split}'`, this.run.parts().plan, count);
  }

  /** Evaluates a split with the current weights. The run must be occupied. */
  now<Name extends MetricName = never>(
    split: SplitName,
    counted: SplitMetrics<Name> = metricsFor(this.run.parts(), split, []),
  ): Promise<Evaluation<Name>> {
    return evaluateOn(this.run.parts(), split, this.count(split, 'evaluate'), counted);
  }

  private count(split: SplitName, what: string): number {
    const { data, plan } = this.run.parts();
    return countSamples({ name: data.name, data: plan.config.data }, split, what);
  }

  private get averaged() {
    return { ...this.run.parts(), step: this.run.done() };
  }
}
