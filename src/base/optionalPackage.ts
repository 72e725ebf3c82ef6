// Optional packages, which users install only if they need them.

import { createRequire } from 'node:module';
import { UsageError } from './errors.ts';
import { ownRequire } from './ownFile.ts';
import { showError } from './showError.ts';

/** Loads the package that `what` needs, resolved beside this library, then from the working
 * directory. Throws a {@link UsageError} that says how to install it if it is missing or cannot be
 * loaded. */
export function loadOptional(name: string, what: string): unknown {
  const require = createRequire(`${process.cwd()}/`);
  const failures: unknown[] = [];
  for (const load of [ownRequire(), require]) {
    try {
      return load(name);
    } catch (error) {
      failures.push(error);
    }
  }
  const isMissing = (failures[0] as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  throw new UsageError({
    what,
    problem: isMissing
      ? `needs the package ${name}, which is not installed`
      : `needs the package ${name}, which cannot be loaded (${showError(failures[0])})`,
    hint: `npm install ${name}`,
  });
}
