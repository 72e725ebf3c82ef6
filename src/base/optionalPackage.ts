// Packages that are installed by those who use what needs them.

import { createRequire } from 'node:module';
import { UsageError } from './errors.ts';
import { ownRequire } from './ownFile.ts';
import { showError } from './showError.ts';

/** Loads a package from where this library is, then from where the program was started; `what`
 * needs it. Throws a {@link UsageError} that says how to get it, where it is not installed or
 * cannot be loaded. */
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
