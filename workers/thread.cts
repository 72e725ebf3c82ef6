// The first module of every thread: gets the module of the task by import(). Piscina would
// require() it, and Node 20 aborts the process when a thread is ended in the midst of that.

/** `entry` is the URL of a module whose default export takes the task. */
module.exports = async (task: { readonly entry: string }): Promise<unknown> =>
  (await import(task.entry)).default(task);
