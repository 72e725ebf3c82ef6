// A thread of the model checker: runs its rank of one scenario under many schedules.

import { parentPort, workerData } from 'node:worker_threads';
import { RandomStream } from '../../../src/base/random.ts';
import { instantiateCollectiveKernels } from '../../../src/kernels/load.ts';
import type { CollectiveKernels } from '../../../src/sync/channel.ts';
import type { GroupMemory } from '../../../src/sync/memory.ts';
import { installAtomics, OPERATIONS } from './atomics.ts';
import { dataScenarios } from './dataScenarios.ts';
import { barrierScenarios, type ModelScenario } from './scenarios.ts';
import { Death, ScheduleOver, Scheduler, Verdict } from './scheduler.ts';
import { wordName } from './wordNames.ts';

const scenarios = { ...barrierScenarios, ...dataScenarios } satisfies Record<string, ModelScenario>;
export type ScenarioName = keyof typeof scenarios;

export interface ModelData {
  readonly scenario: ScenarioName;
  readonly rank: number;
  readonly worldSize: number;
  /** Ranks, and the main thread where the scenario has one. */
  readonly participants: number;
  readonly shared: GroupMemory;
  /** What is in the memory before a schedule. */
  readonly initial: Uint8Array;
  readonly kernels: WebAssembly.Module;
  readonly scheduling: Int32Array;
  readonly cells: Int32Array;
  readonly seed: number;
  readonly schedules: number;
}

/** What thread 0 reports. */
export interface ModelResult {
  readonly schedules: number;
  readonly points: number;
  readonly switches: number;
}

/** What the thread reports that finds something wrong. */
export interface ModelFailure {
  readonly seed: number;
  readonly text: string;
}

/** The purpose of the scenario's random numbers. */
const SCENARIO = 100;

const data: ModelData = workerData;
const { rank, worldSize, shared, scheduling, cells } = data;
const memory = new Uint8Array(shared.memory.buffer);
const scheduler = new Scheduler(scheduling, rank);
const random = new RandomStream();
const context = {
  rank,
  worldSize,
  shared,
  kernels: withPoints(instantiateCollectiveKernels(data.kernels, shared.memory)),
  scheduler,
  cells,
  draw: (bound: number) => random.nextBelow(bound),
};

/** What kernels read and write is the others' too, so they are scheduling points. */
function withPoints(kernels: CollectiveKernels): CollectiveKernels {
  const operation = OPERATIONS.indexOf('kernel');
  return {
    foldRanks: (...args) => {
      scheduler.point(operation, args[1] / 4);
      kernels.foldRanks(...args);
    },
    scanRanks: (...args) => {
      scheduler.point(operation, args[1] / 4);
      kernels.scanRanks(...args);
    },
    copyBytes: (...args) => {
      scheduler.point(operation, args[0] / 4);
      kernels.copyBytes(...args);
    },
  };
}

/** Runs the own part of a schedule. Gives what is wrong, for the thread that has found it: what
 * others do after that says nothing. */
function runPart(): string | undefined {
  if (scheduler.verdict !== Verdict.right) return undefined;
  try {
    scenarios[data.scenario](context);
  } catch (error) {
    if (error instanceof ScheduleOver || scheduler.verdict !== Verdict.right) return undefined;
    scheduler.condemn();
    if (error instanceof Death) return 'a scenario lets a death through';
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return undefined;
}

function run(): void {
  let points = 0;
  let switches = 0;
  let schedules = 0;
  for (let seed = data.seed; seed < data.seed + data.schedules; seed++) {
    random.reset(seed, SCENARIO, 0, 0);
    if (rank === 0) {
      memory.set(data.initial);
      cells.fill(0);
      scheduler.prepare(data.participants, seed);
    }
    if (!scheduler.enter()) return;
    const wrong = runPart();
    const report = wrong === undefined ? '' : showSchedule();
    scheduler.leave();
    if (wrong !== undefined) {
      parentPort!.postMessage({ seed, text: `${wrong}\n${report}` } satisfies ModelFailure);
    }
    if (rank !== 0) continue;
    points += scheduler.points;
    switches += scheduler.switches;
    schedules++;
    const { verdict } = scheduler;
    if (verdict === Verdict.right) continue;
    if (verdict !== Verdict.wrong) {
      const what = verdict === Verdict.stuck ? 'nobody can go on' : 'it does not end';
      parentPort!.postMessage({ seed, text: `${what}\n${showSchedule()}` } satisfies ModelFailure);
    }
    scheduler.dismiss();
    break;
  }
  if (rank === 0) {
    parentPort!.postMessage({ schedules, points, switches } satisfies ModelResult);
  }
}

function showSchedule(): string {
  return scheduler.describe(OPERATIONS, (word) => wordName(word, worldSize));
}

const watched = shared.memory.buffer as unknown as SharedArrayBuffer;
installAtomics(scheduler, (words) => words.buffer === watched);
run();
