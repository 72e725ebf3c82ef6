// What a run decides from the validation at the end of each epoch: which epoch is best, whether to
// stop early, and what a plateau schedule does. Decisions depend only on the validations, so all
// processes make the same ones, and a resumed run continues from those in its checkpoint.

import { UsageError } from '../base/errors.ts';
import type { MonitorState } from '../checkpoint/monitored.ts';
import { type StateTensor, weightsOf } from '../checkpoint/state.ts';
import { type BestEpoch, isBetter, type MonitorName } from '../optim/monitor.ts';
import { afterEpoch, type PlateauState } from '../optim/plateau.ts';
import { checkMonitor, type RunConfig } from '../plan/config.ts';
import type { Evaluation } from './evaluation.ts';
import type { FitOptions } from './progress.ts';

/** Prefix of tensor names of the best epoch; the run's names follow it. */
const BEST = 'best ';

/** What to monitor. */
interface Watch {
  readonly monitor: MonitorName;
  readonly minDelta: number;
}

export class Monitoring {
  private readonly config: RunConfig;
  /** Weights and running statistics of the run. */
  private readonly weights: readonly StateTensor[];
  private best: BestEpoch | undefined;
  private plateau: PlateauState | undefined;
  /** The weights of the best epoch, if they are kept. */
  private bestWeights: readonly StateTensor[] | undefined;

  constructor(
    config: RunConfig,
    tensors: readonly StateTensor[],
    { best, plateau }: MonitorState,
    bestWeights: readonly StateTensor[] | undefined,
  ) {
    this.config = config;
    this.weights = weightsOf(tensors);
    this.best = best;
    this.plateau = plateau;
    this.bestWeights = bestWeights;
  }

  /** The rate that the schedule starts from in the next step. */
  get baseLr(): number {
    return this.plateau?.learningRate ?? this.config.optimizer.lr;
  }

  /** The state to keep in checkpoints; undefined if nothing was decided yet. */
  get state(): MonitorState | undefined {
    const { best, plateau } = this;
    if (best === undefined && plateau === undefined) return undefined;
    return { ...(best && { best }), ...(plateau && { plateau }) };
  }

  /** Tensors to keep in checkpoints in addition to the run's own. */
  get kept(): readonly StateTensor[] {
    return this.bestWeights ?? [];
  }

  /** Throws a {@link UsageError} if a fit asks for decisions that are impossible, or that differ
   * from earlier ones. */
  check(options: FitOptions): void {
    const watch = watchOf(options);
    const { schedule, data } = this.config;
    const plateau = schedule.kind === 'plateau' ? 'The plateau schedule' : undefined;
    const asking = askingOf(options) ?? plateau;
    if (asking !== undefined && options.validate === undefined) {
      throw new UsageError({
        what: asking,
        problem: 'needs a validation at the end of each epoch',
        hint: "validate: 'test' or 'validation' (--validate)",
      });
    }
    if (watch === undefined) return;
    checkMonitor(watch.monitor, data.task);
    const { best } = this;
    if (best === undefined) return;
    if (best.monitor !== watch.monitor || best.split !== options.validate) {
      throw new UsageError({
        what: 'what fit monitors',
        given: `${watch.monitor} of '${options.validate}'`,
        allowed: `${best.monitor} of '${best.split}', which chose the best epoch so far`,
      });
    }
    if (keepsBest(options) && best.epoch > 0 && this.bestWeights === undefined) {
      throw new UsageError({
        what: 'keepBest of fit',
        problem: `comes too late: the weights of the best epoch so far, ${best.epoch}, are gone`,
        hint: 'keepBest from the first fit on',
      });
    }
  }

  /** Takes the validation of an epoch. The epoch's weights are the run's current ones. */
  take(options: FitOptions, validation: Evaluation, at: { epoch: number; step: number }): void {
    const { schedule, optimizer } = this.config;
    if (schedule.kind === 'plateau') {
      const fresh = { value: null, badEpochs: 0, learningRate: optimizer.lr };
      const value = validation[schedule.monitor];
      this.plateau = afterEpoch(schedule, this.plateau ?? fresh, value);
    }
    const watch = watchOf(options);
    if (watch === undefined) return;
    const { monitor, minDelta } = watch;
    const value = validation[monitor];
    const none = { value: null, epoch: 0, step: 0, badEpochs: 0 };
    const before = this.best ?? { monitor, split: options.validate!, ...none };
    if (!isBetter(monitor, value, before.value, minDelta)) {
      this.best = { ...before, badEpochs: before.badEpochs + 1 };
      return;
    }
    this.best = { ...before, ...at, value, badEpochs: 0 };
    if (keepsBest(options)) this.keep();
  }

  /** The best epoch so far, if a fit asks for it. */
  bestFor(options: FitOptions): BestEpoch | undefined {
    return watchOf(options) === undefined ? undefined : this.best;
  }

  /** Whether a fit must stop early. */
  isOver({ earlyStopping }: FitOptions): boolean {
    if (earlyStopping === undefined || this.best === undefined) return false;
    return this.best.badEpochs >= earlyStopping.patience;
  }

  /** Gives the run the weights of the best epoch. Throws a {@link UsageError} if none were kept. */
  restore(): BestEpoch {
    const { best, bestWeights } = this;
    if (best === undefined || bestWeights === undefined) {
      throw new UsageError({
        what: 'restoreBest() of a trainer',
        problem: 'has no weights to restore: none were kept',
        hint: "fit({ epochs, validate: 'test', keepBest: true })",
      });
    }
    for (const [i, { values }] of this.weights.entries()) values.set(bestWeights[i]!.values);
    return best;
  }

  /** Reuses the memory of the previous copy. */
  private keep(): void {
    const { weights } = this;
    this.bestWeights ??= bestTensorsOf(weights);
    for (const [i, { values }] of this.bestWeights.entries()) values.set(weights[i]!.values);
  }
}

/** Memory for the weights of a run's best epoch. */
export function bestTensorsOf(tensors: readonly StateTensor[]): readonly StateTensor[] {
  return weightsOf(tensors).map(({ name, shape, values }) => ({
    name: `${BEST}${name}`,
    group: 'best',
    shape,
    values: values.slice(),
  }));
}

function keepsBest({ keepBest, restoreBest }: FitOptions): boolean {
  return restoreBest === true || (keepBest !== undefined && keepBest !== false);
}

/** The option that asks for a best epoch; undefined if there is none. */
function askingOf(options: FitOptions): string | undefined {
  if (options.earlyStopping !== undefined) return 'earlyStopping of fit';
  return keepsBest(options) ? 'keepBest of fit' : undefined;
}

/** How the best epoch is chosen; undefined if none is requested. */
function watchOf(options: FitOptions): Watch | undefined {
  if (askingOf(options) === undefined) return undefined;
  const { earlyStopping, keepBest } = options;
  const named = typeof keepBest === 'string' ? keepBest : undefined;
  const monitor = earlyStopping?.monitor ?? named ?? 'loss';
  if (named !== undefined && named !== monitor) {
    throw new UsageError({
      what: 'keepBest of fit',
      given: named,
      allowed: `'${monitor}', which earlyStopping monitors, or true`,
    });
  }
  return { monitor, minDelta: earlyStopping?.minDelta ?? 0 };
}
