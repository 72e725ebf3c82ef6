// A thread of the model checker: runs its rank of one scenario under many schedules.

import { parentPort, workerData } from 'node:worker_threads';
import { RandomStream } from '../../../src/base/random.ts';
import { instantiateCollectiveKernels } from '../../../src/kernels/load.ts';
import type { CollectiveKernels } from '../../../src/sync/channel.ts';
import type { GroupMemory } from '../../../src/sync/memory.ts';
import type { MemoryMailboxes } from '../../../src/sync/memoryTransport.ts';
import { installAtomics, OPERATIONS } from './atomics.ts';
import { dataScenarios } from './dataScenarios.ts';
import { processScenarios } from './processScenarios.ts';
import { barrierScenarios, type ModelScenario } from './scenarios.ts';
import { Death, ScheduleOver, Scheduler, Verdict } from './scheduler.ts';
import { WORDS_OF_BUFFER, wordName } from './wordNames.ts';
import { worldScenarios } from './worldScenarios.ts';

const scenarios = {
  ...barrierScenarios,
  ...dataScenarios,
  ...processScenarios,
  ...worldScenarios,
} satisfies Record<string, ModelScenario>;
export type ScenarioName = keyof typeof scenarios;

export interface ModelData {
  /** Of which each schedule draws one. */
  readonly scenarios: readonly ScenarioName[];
  readonly thread: number;
  readonly processes: number;
  /** Of each process. */
  readonly worldSize: number;
  /** The ranks of all processes, and the main thread where the scenario has one. */
  readonly participants: number;
  /** Of each process. */
  readonly memories: readonly GroupMemory[];
  readonly mailboxes: readonly MemoryMailboxes[];
  /** What is in the memory of each process before a schedule. */
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
  readonly scenario: ScenarioName;
  readonly seed: number;
  readonly text: string;
}

/** The purpose of the scenario's random numbers. */
const SCENARIO = 100;

const data: ModelData = workerData;
const { thread, processes, worldSize, memories, mailboxes, cells } = data;
const isMain = thread === processes * worldSize;
const process = isMain ? 0 : Math.floor(thread / worldSize);
const shared = memories[process]!;
const scheduler = new Scheduler(data.scheduling, thread);
const random = new RandomStream();
const context = {
  rank: isMain ? worldSize : thread % worldSize,
  worldSize,
  shared,
  process,
  processes,
  memories,
  mailboxes,
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

/** Runs this thread's part of a schedule. Returns what is wrong to the thread that found it: what
 * others do after that says nothing. */
function runPart(scenario: ScenarioName): string | undefined {
  if (scheduler.verdict !== Verdict.right) return undefined;
  try {
    scenarios[scenario](context);
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
    const scenario = data.scenarios[context.draw(data.scenarios.length)]!;
    const fail = (text: string) =>
      parentPort!.postMessage({ scenario, seed, text } satisfies ModelFailure);
    if (thread === 0) {
      for (const { memory } of memories) new Uint8Array(memory.buffer).set(data.initial);
      for (const { buffer } of mailboxes) new Uint8Array(buffer).fill(0);
      cells.fill(0);
      scheduler.prepare(data.participants, seed);
    }
    if (!scheduler.enter()) return;
    const wrong = runPart(scenario);
    const report = wrong === undefined ? '' : showSchedule();
    scheduler.leave();
    if (wrong !== undefined) fail(`${wrong}\n${report}`);
    if (thread !== 0) continue;
    points += scheduler.points;
    switches += scheduler.switches;
    schedules++;
    const { verdict } = scheduler;
    if (verdict === Verdict.right) continue;
    if (verdict !== Verdict.wrong) {
      const what = verdict === Verdict.stuck ? 'no thread can continue' : 'it does not end';
      fail(`${what}\n${showSchedule()}`);
    }
    scheduler.dismiss();
    break;
  }
  if (thread === 0) {
    parentPort!.postMessage({ schedules, points, switches } satisfies ModelResult);
  }
}

function showSchedule(): string {
  return scheduler.describe(OPERATIONS, (word) => wordName(word, worldSize, processes));
}

const firstWords = new Map(
  [...memories.map(({ memory }) => memory), ...mailboxes].map(
    ({ buffer }, i) => [buffer as ArrayBufferLike, i * WORDS_OF_BUFFER] as const,
  ),
);
installAtomics(scheduler, {
  firstWordOf: (buffer) => firstWords.get(buffer),
  mayTimeOut: (buffer) => mailboxes.some((boxes) => boxes.buffer === buffer),
});
run();
