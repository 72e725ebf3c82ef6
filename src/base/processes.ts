// Other processes of this host.

/** Whether a process has this number, which may also be a later one than the process that is meant.
 * One that may not be signaled is there. */
export function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
