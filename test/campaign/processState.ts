// What this process holds of the system: threads, open files, memory. Linux tells it in /proc;
// elsewhere threads and files are not counted.

import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const HAS_PROC = existsSync('/proc/self/task');

export function countThreads(): number {
  return HAS_PROC ? readdirSync('/proc/self/task').length : 0;
}

export function countFiles(): number {
  return HAS_PROC ? readdirSync('/proc/self/fd').length : 0;
}

/** Waits until at most the given number of threads is left; returns the final number. The system
 * takes a moment to remove a thread that has ended. */
export async function threadsAtMost(most: number, timeoutMs = 3000): Promise<number> {
  const endMs = performance.now() + timeoutMs;
  while (countThreads() > most && performance.now() < endMs) await sleep(5);
  return countThreads();
}
