// The first module of every thread: gets the module of the task by import(). Piscina would
// require() it, and Node 20 aborts the process when a thread is ended in the midst of that. The
// import begins when the thread does, which may be before there is a task.

const threads = require('node:worker_threads') as typeof import('node:worker_threads');

const { entry } = threads.workerData as { readonly entry: string };
const loading = import(entry);
// What went wrong is told of by the task.
loading.catch(() => {});

/** `entry` is the URL of a module whose default export takes the task. */
module.exports = async (task: unknown): Promise<unknown> => (await loading).default(task);
