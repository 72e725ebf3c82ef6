// Lets only one thread of a process at a time call MPI. Calls are short, so a thread that finds the
// lock taken polls until it is free.

/** One word that all threads of the process share. */
export type MpiLock = Int32Array<SharedArrayBuffer>;

const FREE = 0;
const TAKEN = 1;

export function createLock(): MpiLock {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Takes the lock; yields the core while another thread has it. */
export function enterMpi(lock: MpiLock, pause: () => void): void {
  while (Atomics.compareExchange(lock, 0, FREE, TAKEN) !== FREE) pause();
}

/** Releases the lock. The last thread that is left may also release it for one that was terminated
 * while holding it. */
export function leaveMpi(lock: MpiLock): void {
  Atomics.store(lock, 0, FREE);
}
