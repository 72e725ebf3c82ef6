// How long something has been waited for. Time in which the process itself stood still (a stop
// signal, a sleeping laptop, a debugger) is not waiting: waits are cut into slices, and a slice
// counts for no longer than it was meant to take.

/** The longest slice: what a standstill can count for at most. */
const LONGEST_SLICE_MS = 500;
/** A short wait has so many slices. */
const SLICES = 8;
/** Timers take whole milliseconds from 1. */
const SHORTEST_SLICE_MS = 1;

/** How long a slice of a wait is. */
export function sliceMsOf(timeoutMs: number): number {
  return Math.min(LONGEST_SLICE_MS, Math.max(SHORTEST_SLICE_MS, timeoutMs / SLICES));
}

/** Calls `tick` after each slice of a wait of `timeoutMs`, with the time that the slice counts for,
 * until the function that it returns is called. */
export function everySlice(timeoutMs: number, tick: (countedMs: number) => void): () => void {
  const sliceMs = sliceMsOf(timeoutMs);
  let startMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const countedMs = Math.min(nowMs - startMs, sliceMs);
    startMs = nowMs;
    tick(countedMs);
  }, sliceMs);
  return () => clearInterval(timer);
}

/** Calls `late` once the process has run for so long, unless the function that it returns is called
 * first. */
export function afterRunning(timeoutMs: number, late: () => void): () => void {
  let waitedMs = 0;
  const stop = everySlice(timeoutMs, (countedMs) => {
    waitedMs += countedMs;
    if (waitedMs < timeoutMs) return;
    stop();
    late();
  });
  return stop;
}
