// One thread of a process at a time is within MPI. Calls are short, so a thread that finds another
// one there looks again until it is out.

/** One word that all threads of the process share. */
export type MpiLock = Int32Array<SharedArrayBuffer>;

const FREE = 0;
const TAKEN = 1;

export function createLock(): MpiLock {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Goes in; gives the core away while another thread is there. */
export function enterMpi(lock: MpiLock, pause: () => void): void {
  while (Atomics.compareExchange(lock, 0, FREE, TAKEN) !== FREE) pause();
}

/** Goes out. The only thread that is left may also do so for one that was ended within. */
export function leaveMpi(lock: MpiLock): void {
  Atomics.store(lock, 0, FREE);
}
