// Deaths at every kind of moment: whoever dies, and wherever in a call, the others are released and
// the run ends with an error that names the rank. SYNCBN_SHOW=1 shows how long the release took:
// less than 100 ms on an idle machine.

import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { AT_ONCE_MS } from '../support/atOnce.ts';
import { nowMs } from '../support/ranks/threads.ts';
import { launchBuilt } from '../support/runs/launchBuilt.ts';

const JOB = new URL('../support/jobs/dying.mjs', import.meta.url);
const WAYS = ['throw', 'exit', 'exhaust', 'terminate'] as const;
/** Atomic operations of a few rounds of the job's calls. */
const POINTS = 400;

/** So many deaths, the same ones each time. */
export function describeDeaths(count: number): void {
  describe('a run in which a rank dies', () => {
    it(`ends soon and names the rank, in ${count} deaths`, async () => {
      const launch = await launchBuilt();
      const releasesMs: number[] = [];
      for (let death = 0; death < count; death++) {
        const way = WAYS[death % WAYS.length]!;
        const workers = 2 + (death % 4);
        const victim = (death * 7) % workers;
        const point = (death * 37 + 5) % POINTS;
        const times = new Float64Array(new SharedArrayBuffer(8 * workers));
        const signal = new Int32Array(new SharedArrayBuffer(4));
        const threads = watchThreads(signal, victim);
        const error = await launch(JOB, {
          workers,
          args: { way, victim, point, times, signal },
          resourceLimits: { maxOldGenerationSizeMb: 24 },
        }).then(
          () => expect.unreachable('the run should have ended'),
          (thrown: Error) => thrown,
        );
        threads.close();
        // A thread runs out of memory some time after it begins to fill it.
        const deathMs = way === 'exhaust' ? threads.endMs() : times[victim]!;
        const what = `${way} of rank ${victim} of ${workers} at ${point}`;
        expect(error.message, what).toContain(`rank ${victim}`);
        for (const [rank, releasedMs] of times.entries()) {
          if (rank === victim) continue;
          expect(releasedMs, `${what}: rank ${rank} was not released`).toBeGreaterThan(0);
          releasesMs.push(releasedMs - deathMs);
        }
      }
      if (process.env.SYNCBN_SHOW === '1') {
        const ascending = releasesMs.sort((a, b) => a - b);
        const at = (share: number) =>
          ascending[Math.floor(share * (ascending.length - 1))]!.toFixed(1);
        console.log(`released after ${at(0.5)} ms (p50), ${at(0.99)} (p99), ${at(1)} (max)`);
      }
      expect(Math.max(...releasesMs)).toBeLessThan(AT_ONCE_MS);
    }, 300_000);
  });
}

/** Notes when the thread of a rank ends, and terminates it from outside when it asks for that.
 * Threads start in rank order. */
function watchThreads(signal: Int32Array, victim: number) {
  let started = 0;
  let endMs = Number.NaN;
  let asking: NodeJS.Timeout | undefined;
  const listen = (worker: Worker): void => {
    if (started++ !== victim) return;
    worker.once('exit', () => {
      endMs = nowMs();
    });
    asking = setInterval(() => {
      if (Atomics.exchange(signal, 0, 0) === 1) void worker.terminate();
    }, 1);
  };
  process.on('worker', listen);
  return {
    endMs: () => endMs,
    close(): void {
      process.off('worker', listen);
      clearInterval(asking);
    },
  };
}
