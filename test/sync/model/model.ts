// The model checker's main side: bundles the code under test, unchanged or with one deliberate
// mistake, and runs a scenario under many schedules.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build, type Plugin } from 'esbuild';
import { compileCollectiveKernels } from '../../../src/kernels/load.ts';
import { createGroupMemory, type GroupMemory } from '../../../src/sync/memory.ts';
import { createMailboxes, type MemoryMailboxes } from '../../../src/sync/memoryTransport.ts';
import { bridgeBytesOf, type Span } from '../../../src/sync/span.ts';
import { SPIN_TURNS_WORD } from '../../../src/sync/words.ts';
import { bundle, CACHE, ROOT } from '../../support/ranks/threads.ts';
import type { ModelData, ModelFailure, ModelResult, ScenarioName } from './modelWorker.ts';
import { SCHEDULER_WORDS } from './scheduler.ts';

const WORKER = 'test/sync/model/modelWorker.ts';
/** The smallest slot, so that few elements are many pieces. */
const SLOT_BYTES = 128;
const SHARED_BYTES = 65_536;
const CELLS = 64;
/** No exchange of two processes is larger. */
const EXCHANGE_BYTES = 33_024;

/** The one place in a file that a pattern finds, replaced. */
export interface Change {
  /** Below src/sync. */
  readonly file: string;
  readonly find: RegExp;
  readonly replace: string;
}

/** A mistake made in the code under test. */
export interface Mutation extends Change {
  /** Where it takes a second change to make it. */
  readonly also?: Change;
}

export interface ModelOptions {
  /** Of several, each schedule draws one. */
  readonly scenario: ScenarioName | readonly ScenarioName[];
  /** Default 1. */
  readonly processes?: number;
  /** Of each process. */
  readonly worldSize: number;
  /** Whether the processes are one world. Default: each has one of its own. */
  readonly isOneWorld?: boolean;
  readonly spinTurns: number;
  readonly schedules: number;
  /** The seed of the first schedule; that of each further one is one more. Default 0. */
  readonly seed?: number;
  /** Whether one more thread takes part, as the main thread. Default false. */
  readonly hasMain?: boolean;
  /** A built worker. Default: the code as it is. */
  readonly file?: string;
}

export interface ModelReport extends ModelResult {
  /** The first schedule in which something was wrong. */
  readonly failure?: ModelFailure;
}

let unchanged: Promise<string> | undefined;
let kernels: WebAssembly.Module | undefined;

/** Runs a scenario under `schedules` schedules, or until something is wrong. */
export async function runModel(options: ModelOptions): Promise<ModelReport> {
  unchanged ??= bundle(WORKER, 'modelWorker');
  kernels ??= compileCollectiveKernels();
  const { scenario, worldSize, spinTurns, schedules, seed = 0, hasMain = false } = options;
  const { processes = 1, isOneWorld = false } = options;
  const memories = Array.from({ length: processes }, (_, process) => {
    const sizes = { slotBytes: SLOT_BYTES, sharedBytes: SHARED_BYTES };
    const shared = isOneWorld
      ? createGroupMemory(processes * worldSize, {
          ...sizes,
          bridgeBytes: bridgeBytesOf(spanOf(process, processes, worldSize)),
        })
      : createGroupMemory(worldSize, sizes);
    shared.words[SPIN_TURNS_WORD] = spinTurns;
    return shared;
  });
  const data = {
    scenarios: [scenario].flat(),
    processes,
    worldSize,
    participants: processes * worldSize + (hasMain ? 1 : 0),
    memories,
    mailboxes: mailboxesOf(processes),
    initial: contentOf(memories[0]!),
    kernels,
    scheduling: sharedWords(SCHEDULER_WORDS),
    cells: sharedWords(CELLS),
    seed,
    schedules,
  } satisfies Omit<ModelData, 'thread'>;
  const file = options.file ?? (await unchanged);
  const messages = await runThreads(file, data);
  const result = messages.find((message) => 'schedules' in message) as ModelResult;
  const failure = messages.find((message) => 'text' in message) as ModelFailure | undefined;
  return { ...result, ...(failure !== undefined && { failure }) };
}

/** Builds the worker with a mistake in it. */
export async function bundleMutant(name: string, mutation: Mutation): Promise<string> {
  const outfile = join(CACHE, `mutant-${name.replaceAll(/\W+/g, '-')}.mjs`);
  await build({
    entryPoints: [join(ROOT, WORKER)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    plugins: [mutate(name, mutation)],
  });
  return outfile;
}

function mutate(name: string, { also, ...change }: Mutation): Plugin {
  const changes = also === undefined ? [change] : [change, also];
  return {
    name: 'mutant',
    setup(builder) {
      builder.onLoad({ filter: /src[\\/]sync[\\/]\w+\.ts$/ }, async ({ path }) => {
        const here = changes.filter(({ file }) => join(ROOT, 'src/sync', file) === path);
        if (here.length === 0) return undefined;
        const source = await readFile(path, 'utf8');
        const changed = here.reduce((text, one) => applyChange(name, text, one), source);
        return { contents: changed, loader: 'ts' };
      });
    },
  };
}

function applyChange(name: string, source: string, { file, find, replace }: Change): string {
  const found = [...source.matchAll(new RegExp(find, `${find.flags}g`))].length;
  if (found === 1) return source.replace(find, replace);
  throw new Error(
    `Mutant "${name}": ${find} occurs ${found} times in src/sync/${file}, not once. ` +
      'When the code has changed, let the mutant make the same mistake in the new code.',
  );
}

type Message = ModelResult | ModelFailure;

/** Runs all threads to their end and returns what they have posted. */
async function runThreads(file: string, data: Omit<ModelData, 'thread'>): Promise<Message[]> {
  const messages: Message[] = [];
  const workers: Worker[] = [];
  const ends: Promise<void>[] = [];
  for (let thread = 0; thread < data.participants; thread++) {
    const worker = new Worker(file, { workerData: { ...data, thread } satisfies ModelData });
    workers.push(worker);
    worker.on('message', (message) => messages.push(message));
    ends.push(
      new Promise((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      }),
    );
  }
  try {
    await Promise.all(ends);
  } catch (error) {
    // The others would wait for the turn for ever.
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw error;
  }
  return messages;
}

/** Those of all processes, then those of each pair alone. */
function mailboxesOf(processes: number): MemoryMailboxes[] {
  if (processes === 1) return [];
  const pairs = Array.from({ length: (processes * (processes - 1)) / 2 }, () => 2);
  return [processes, ...pairs].map((ends) => createMailboxes(ends, EXCHANGE_BYTES));
}

/** Where the members are when all processes are one world. */
function spanOf(process: number, processes: number, worldSize: number): Span {
  const members = Array.from({ length: processes }, (_, of) => {
    return Array.from({ length: worldSize }, (_unused, rank) => of * worldSize + rank);
  });
  return { process, members, slotBytes: SLOT_BYTES };
}

function contentOf({ memory }: GroupMemory): Uint8Array {
  return new Uint8Array(memory.buffer).slice();
}

function sharedWords(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}
