// Files that belong to this package: workers, kernels, package.json. They are found relative to
// this code. Bundled code is elsewhere, so it cannot find them, and throws an error that says what
// helps.

import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './errors.ts';

/** The path of a file of this package, by its name among the `imports` or `exports`:
 * `#workers/train.js`. Throws a UsageError if this code was bundled without its files, or if the
 * file is missing. */
export function ownFile(specifier: string): string {
  const require = ownRequire();
  try {
    return require.resolve(specifier);
  } catch (error) {
    if (!isInPackage(require)) throw bundled(error);
    const hint = 'installing syncbn again, or npm run build in its repository';
    const details = { what: 'syncbn', problem: `is missing its file ${specifier}`, hint };
    throw Object.assign(new UsageError(details), { cause: error });
  }
}

/** `require` relative to this code. A CommonJS bundle does not know where it is. */
export function ownRequire(): NodeJS.Require {
  const here: string | undefined = import.meta.url;
  if (here === undefined) throw bundled(undefined);
  return createRequire(here);
}

function isInPackage(require: NodeJS.Require): boolean {
  try {
    const folder = dirname(require.resolve('syncbn/package.json'));
    return fileURLToPath(import.meta.url).startsWith(folder + sep);
  } catch {
    return false;
  }
}

function bundled(cause: unknown): UsageError {
  const external = "--external:syncbn (esbuild), external: ['syncbn'] (rollup)";
  const details = {
    what: 'syncbn',
    problem: 'cannot run from a bundle, since its threads and kernels are separate files',
    hint: `keeping the package external: ${external}, ssr.external and optimizeDeps.exclude (vite)`,
  };
  return Object.assign(new UsageError(details), { cause });
}
