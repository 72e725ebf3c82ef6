// A team that continues when a worker dies. It restores the state after a whole step, plans the
// same arena for one worker fewer, and repeats the request. The number of workers changes no bit,
// so neither does a death.

import { assertSame, RunError } from '../base/errors.ts';
import { prepareWords } from '../checkpoint/state.ts';
import { viewOf } from '../memory/arena.ts';
import type { Layout, Region } from '../memory/layout.ts';
import type { RunConfig } from '../plan/config.ts';
import { planRun, type RunPlan } from '../plan/plan.ts';
import { PROGRESS_STEPS, publishEpoch } from '../reduce/epochSums.ts';
import { type ControlWords, progressWords, STOP_WORD } from '../sync/words.ts';
import { isUnreadable } from '../train/feeding.ts';
import { clearStamps, restoreStep } from '../train/undo.ts';
import type { Crew } from './crew.ts';
import type { Gang, Use } from './gang.ts';
import { startWorkers, type Team, type TeamSetup } from './team.ts';
import type { TrainApi } from './trainWorker.ts';

export interface ElasticSetup extends TeamSetup {
  readonly plan: RunPlan;
  readonly notify: (notice: string) => void;
}

/** The size of an arena for a run that may lose workers, one after another. */
export function elasticSize(config: RunConfig): Pick<Layout, 'sizeBytes'> {
  const sizes = Array.from({ length: config.workers }, (_, fewer) => {
    return planRun({ ...config, workers: config.workers - fewer }).layout.sizeBytes;
  });
  return { sizeBytes: Math.max(...sizes) };
}

/** Starts the team of a plan after its arena is filled. */
export async function startElasticTeam(setup: ElasticSetup): Promise<Team> {
  const team = new ElasticTeam(setup);
  await team.start(setup.crew);
  return team;
}

class ElasticTeam implements Team {
  plan: RunPlan;
  words: ControlWords;
  private readonly setup: ElasticSetup;
  private gang: Gang<TrainApi> | undefined;
  private isClosed = false;
  /** Whether a thread of the gang has ended unexpectedly. */
  private hasDied = false;
  /** What the last lost worker threw. */
  private lastThrown: string | undefined;

  constructor(setup: ElasticSetup) {
    this.setup = setup;
    this.plan = setup.plan;
    this.words = viewOf(setup.memory, setup.plan.regions.control.words);
  }

  async start(crew?: Crew): Promise<void> {
    const { memory, module, samples, startTimeoutMs } = this.setup;
    this.hasDied = false;
    this.gang = await startWorkers(
      this.plan,
      this.words,
      { memory, module, samples, startTimeoutMs, crew },
      () => {
        this.hasDied = true;
      },
    );
    if (this.isClosed) await this.gang.close();
  }

  async callAll<T>(use: Use<TrainApi, T>, regained?: (steps: number) => void): Promise<T[]> {
    clearStamps(this.plan, this.setup.memory);
    for (;;) {
      try {
        if (this.gang === undefined) await this.start();
        return await this.gang!.callAll(use);
      } catch (error) {
        await this.loseWorker(error, regained);
      }
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.gang?.close();
  }

  /** Prepares to continue without the worker that died with this error. Throws the error if that
   * would not help. */
  private async loseWorker(
    error: unknown,
    regained: ((steps: number) => void) | undefined,
  ): Promise<void> {
    await this.gang?.close();
    this.gang = undefined;
    const isOfWorker = error instanceof RunError && error.failure.rank !== undefined;
    // If this worker cannot read it, the others cannot either.
    if (this.isClosed || !isOfWorker || isUnreadable(error)) throw error;
    const { memory, notify } = this.setup;
    const steps = restoreStep(this.plan, memory) ?? countSteps(this.words);
    regained?.(steps);
    // What was thrown twice in the same step would be thrown by the other workers, too.
    const { step, reason } = error.failure;
    const thrown = this.hasDied || step === undefined ? undefined : `step ${step}: ${reason}`;
    if (thrown !== undefined && thrown === this.lastThrown) throw error;
    this.lastThrown = thrown;
    const workers = this.plan.config.workers - 1;
    if (workers === 0) throw error;
    this.planFor(workers, steps);
    const others = workers === 1 ? '1 worker' : `${workers} workers`;
    const lost = error.message.replace(/\.$/, '');
    notify(`${lost}. The run continues with ${others}, after step ${steps}.`);
  }

  /** Plans the same arena for fewer workers and initializes it, keeping only the state after
   * `steps` steps. */
  private planFor(workers: number, steps: number): void {
    const { memory } = this.setup;
    const before = this.plan;
    const plan = planRun({ ...before.config, workers });
    const first = before.regions.control.words.offsetBytes;
    assertSame('place of the control words', plan.regions.control.words.offsetBytes, first);
    const observed = observedRegions(before).map((region) => viewOf(memory, region).slice());
    const asked = Atomics.load(this.words, STOP_WORD);
    new Uint8Array(memory.buffer, first).fill(0);
    for (const [i, region] of observedRegions(plan).entries()) {
      viewOf(memory, region).set(observed[i]!);
    }
    prepareWords(plan, memory);
    this.plan = plan;
    this.words = viewOf(memory, plan.regions.control.words);
    Atomics.store(this.words, STOP_WORD, asked);
    const { epochPublished, epochSums } = plan.regions.control;
    publishEpoch(
      viewOf(memory, epochPublished),
      progressWords(this.words),
      viewOf(memory, epochSums),
      steps,
    );
  }
}

/** The number of completed steps that rank 0 has published. */
function countSteps(words: ControlWords): number {
  return Atomics.load(progressWords(words), PROGRESS_STEPS);
}

/** The regions of the last snapshot step that the main thread reads. */
function observedRegions({ diagnostics, gradientNorms }: RunPlan): readonly Region<'f64'>[] {
  return [
    ...(diagnostics === undefined ? [] : [diagnostics.results]),
    ...(gradientNorms === undefined ? [] : [gradientNorms.squares]),
  ];
}
