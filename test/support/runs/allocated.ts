// What training allocates in JavaScript, by V8's sampling profiler.

import { Session } from 'node:inspector/promises';
import { fillArena } from '../../../src/checkpoint/state.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { storeSamples } from '../../../src/data/stored/storeSamples.ts';
import { createArena, viewOf } from '../../../src/memory/arena.ts';
import type { RunConfig } from '../../../src/plan/config.ts';
import { planRun } from '../../../src/plan/plan.ts';
import { clearStop, requestStop } from '../../../src/sync/words.ts';
import { bindWorker } from '../../../src/train/worker.ts';

/** All bytes that JavaScript allocates while `run` runs, including those collected meanwhile. */
export async function allocatedBytes(run: () => void): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 64,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as object);
    run();
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const { samples } = profile as unknown as { readonly samples: readonly { size: number }[] };
    return samples.reduce((sum, sample) => sum + sample.size, 0);
  } finally {
    session.disconnect();
  }
}

export interface AllocationRequest {
  readonly config: RunConfig;
  readonly data: Dataset;
  readonly module: WebAssembly.Module;
  /** Steps of a window. */
  readonly steps: number;
  readonly windows: number;
}

/** What a window of steps of a lone worker allocates: the least of several windows. */
export async function allocatedInSteps(request: AllocationRequest): Promise<number> {
  const { config, data, module, steps } = request;
  const plan = planRun(config);
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(data, plan.config);
  const worker = bindWorker({ plan, module, memory, samples, rank: 0 });
  // Code that is still being optimized allocates now and then; what a step itself allocates shows
  // in every window. One object of the smallest size in each step would be 16 bytes a step.
  const first = 2 * steps;
  worker.train(0, first, 10_000);
  const words = viewOf(memory, plan.regions.control.words);
  const calls: number[] = [];
  const windows: number[] = [];
  for (let from = first; from < first + request.windows * steps; from += steps) {
    // A call computes the rates of all its steps before the first, so one that stops after that
    // first step measures the call and not the steps.
    requestStop(words);
    calls.push(await allocatedBytes(() => worker.train(from, from + steps, 10_000)));
    clearStop(words);
    windows.push(await allocatedBytes(() => worker.train(from + 1, from + 1 + steps, 10_000)));
  }
  return Math.min(...windows) - Math.min(...calls);
}
