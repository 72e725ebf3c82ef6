// Measures how long something has been waited for. Time in which the process itself was suspended
// (a stop signal, a sleeping laptop, a debugger) does not count: waits are cut into slices, and a
// slice never counts for more than its intended length.

/** The longest slice, which is the most that a suspension can count for. */
const LONGEST_SLICE_MS = 500;
/** The number of slices of a short wait. */
const SLICES = 8;
/** Timers take whole milliseconds, at least 1. */
const SHORTEST_SLICE_MS = 1;

/** The length of a slice of a wait. */
export function sliceMsOf(timeoutMs: number): number {
  return Math.min(LONGEST_SLICE_MS, Math.max(SHORTEST_SLICE_MS, timeoutMs / SLICES));
}

/** Calls `tick` after each slice of a wait of `timeoutMs`, with the time that the slice counts for,
 * until the returned function is called. */
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

/** Calls `late` once the process has run for this long, unless the returned function is called
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
