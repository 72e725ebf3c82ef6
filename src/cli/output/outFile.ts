// Files that a command writes when its work is done. A failure then leaves an output incomplete,
// but never undoes the work.

import { UsageError } from '../../base/errors.ts';
import { writeWhole } from '../../base/wholeFile.ts';
import { IncompleteOutput } from './lineFile.ts';

/** Writes a file; `what` names it in errors. Throws an {@link IncompleteOutput} if the system
 * refuses. */
export async function writeOutput(path: string, what: string, text: string): Promise<void> {
  try {
    await writeWhole(path, what, text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new IncompleteOutput(error.message, { cause: error });
  }
}
