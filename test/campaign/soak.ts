// soak: the same work repeated in one process: train, evaluate, predict, save, resume, launch. The
// numbers of threads and open files do not grow, and memory grows by less than 20 MB.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dataset, launch, nn, optim, synthetic, Trainer } from '../../src/index.ts';
import { type Campaign, fail } from './campaign.ts';
import { countFiles, countThreads, threadsAtMost } from './processState.ts';

const JOB = new URL('./jobs/summingJob.mjs', import.meta.url);
/** Rounds until caches, compiled code and the allocator's pools have settled. */
const WARM_UP = 100;
/** Memory is compared by its minimum over this many rounds; the rest is noise of the garbage
 * collector. */
const WINDOW = 20;
const MAX_GROWTH_BYTES = 20e6;
/** Files that are being closed: the system takes a moment. */
const SETTLE_MS = 2000;

interface Held {
  readonly threads: number;
  readonly files: number;
}

export const soak: Campaign = {
  name: 'soak',
  counts: 'rounds',
  promise: 'Work without end in one process leaves no thread, no open file and no memory.',
  caseTimeoutMs: 120_000,
  // Glibc keeps pools for each thread that ever allocated, and they grow for hundreds of rounds
  // although nothing is held. Two pools are enough.
  env: { MALLOC_ARENA_MAX: '2' },
  async open({ folder }) {
    const data = synthetic({ train: 256, test: 64, shape: [8, 8, 3], classes: 4, seed: 1 });
    const path = join(folder, 'soak.ckpt');
    const hash = await round(data, path, 0);
    const first: Held = { threads: countThreads(), files: countFiles() };
    const memory: number[] = [];
    let baseline: number | undefined;
    let growth = 0;
    return {
      async run(dice, index) {
        const found = await round(data, path, dice.below(3));
        if (found !== hash) fail('the same run gives other bits', { index, hash, found });
        await checkHeld(first, index);
        memory.push(heldBytes());
        if (memory.length <= WARM_UP || memory.length % WINDOW !== 0) return 1;
        const least = Math.min(...memory.slice(-WINDOW));
        baseline ??= least;
        growth = least - baseline;
        if (growth > MAX_GROWTH_BYTES) {
          const megabytes = memory.map((bytes) => Math.round(bytes / 1e6));
          fail(`memory has grown by ${Math.round(growth / 1e6)} MB`, { index, megabytes });
        }
        return 1;
      },
      facts: () => ({
        'MB of growth': Math.round(growth / 1e5) / 10,
        'threads more': countThreads() - first.threads,
        'files more': countFiles() - first.files,
      }),
    };
  },
};

/** One round of work; returns the final hash. */
async function round(data: Dataset, path: string, more: number): Promise<string> {
  const model = nn.sequential([
    nn.conv2d(3, 8, { kernel: 3, padding: 1 }),
    nn.batchNorm(8, { sync: 'all' }),
    nn.relu(),
    nn.globalAvgPool(),
    nn.linear(8, 4),
  ]);
  const options = { model, data, replicas: 4, globalBatch: 32, seed: 1, onNotice: () => {} };
  const trainer = await Trainer.start({
    ...options,
    optimizer: optim.adam(),
    workers: 1 + more,
  });
  try {
    for await (const _ of trainer.fit({ epochs: 2, maxSteps: 9 }));
    await trainer.evaluate();
    await trainer.predict(data.test.inputs);
    await trainer.save(path, { overwrite: true });
  } finally {
    await trainer.close();
  }
  const workers = 1 + ((more + 1) % 3);
  const resumed = await Trainer.resume(path, { data, workers, onNotice: () => {} });
  try {
    for await (const progress of resumed.fit({ epochs: 2, progressEveryMs: 1 })) {
      // Leaves the loop early, and continues after it.
      if (progress.kind === 'progress') break;
    }
    for await (const _ of resumed.fit({ epochs: 2 }));
    await resumed.exportInference();
    const sums = await launch<number>(JOB, { workers, args: { length: 5000 } });
    if (sums.some((sum) => sum !== 5000 * workers))
      fail('a launched job gives wrong sums', { sums });
    return resumed.weightsHash();
  } finally {
    await resumed.close();
  }
}

async function checkHeld(first: Held, index: number): Promise<void> {
  const threads = await threadsAtMost(first.threads);
  if (threads > first.threads) {
    fail(`${threads} threads instead of ${first.threads}`, { index });
  }
  const endMs = performance.now() + SETTLE_MS;
  while (countFiles() > first.files && performance.now() < endMs) await sleep(10);
  const files = countFiles();
  if (files > first.files) fail(`${files} open files instead of ${first.files}`, { index });
}

/** What the process holds after a garbage collection, if it can force one. */
function heldBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}
