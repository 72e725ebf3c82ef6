// Other processes on this host.

/** Whether a process with this id exists, which may be a later one that reuses the id. A process
 * that may not be signaled also exists. */
export function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
