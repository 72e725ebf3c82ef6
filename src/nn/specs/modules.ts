// Modules of custom layers and losses: what names one, which may be imported, and the import.
// Importing runs code, so a module that data names (a checkpoint, a model in JSON) needs
// permission. A module that the program itself named, with nn.custom or nn.customLoss, has it.

import { createRequire, isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../../base/errors.ts';
import { defaultExportHint, importFailure } from '../../base/importing.ts';

/** The modules that may be imported: `true` for all modules that models and losses name, or a list
 * of `file:` URLs, paths and package names. */
export type AllowModules = true | readonly string[];

const PACKAGE_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[^:?#\\]+)?$/i;

/** Modules that the program itself named. */
const named = new Set<string>();
const loaded = new Map<string, (options: unknown) => unknown>();

/** Checks the name of a module in a spec, a `file:` URL or a package name. Everything else is
 * rejected, above all URLs that contain code or fetch it. `part` is what the module makes. */
export function checkModule(module: unknown, part: 'layer' | 'loss'): string {
  const name = module instanceof URL ? module.href : module;
  if (typeof name === 'string' && (isFileUrl(name) || isPackage(name))) return name;
  throw new UsageError({
    what: `module of a custom ${part}`,
    given: name,
    allowed: 'a file: URL, or the name of a package',
    hint: `new URL('./my-${part}.mjs', import.meta.url)`,
  });
}

/** Marks a module as named by the program, not by data. */
export function trustModule(module: string): void {
  named.add(module);
}

/** The default export of a module, once it is loaded. */
export function factoryOf(module: string): ((options: unknown) => unknown) | undefined {
  return loaded.get(module);
}

/** Imports the modules of custom layers and losses. Await it before resolving the model. Throws a
 * {@link UsageError} that lists the modules without permission, before any is imported, and for a
 * module that cannot be loaded. */
export async function loadModules(
  modules: readonly string[],
  allowed: AllowModules | undefined,
): Promise<void> {
  checkAllowed(modules, allowed);
  for (const module of modules) {
    if (!loaded.has(module)) loaded.set(module, await importFactory(module));
  }
}

function checkAllowed(modules: readonly string[], allowed: AllowModules | undefined): void {
  if (allowed === true) return;
  const known = new Set([...named, ...loaded.keys(), ...(allowed ?? []).map(asModule)]);
  const refused = [...new Set(modules)].filter((module) => !known.has(module));
  if (refused.length === 0) return;
  throw new UsageError({
    what: 'custom layers and losses of the run',
    problem: `would run the code of modules that are not allowed: ${refused.join(', ')}`,
    hint: 'allowModules, or --allow-modules, if you trust that code (see docs/custom-layers.md)',
  });
}

/** Converts a name to the form that specs use: paths become URLs. */
function asModule(name: string): string {
  if (isFileUrl(name) || isPackage(name)) return name;
  return pathToFileURL(resolve(name)).href;
}

async function importFactory(module: string): Promise<(options: unknown) => unknown> {
  let exported: { default?: unknown };
  try {
    exported = await importModule(module);
  } catch (error) {
    const details = { what: `the custom module ${module}`, ...importFailure(error) };
    throw Object.assign(new UsageError(details), { cause: error });
  }
  if (typeof exported.default === 'function') {
    return exported.default as (options: unknown) => unknown;
  }
  throw new UsageError({
    what: `the default export of ${module}`,
    given: typeof exported.default,
    allowed: 'a function that takes options and returns a layer or a loss',
    hint: defaultExportHint(exported.default, 'export default function make(options) { ... }'),
  });
}

/** Imports a module. A package is resolved beside this library, then from the working directory. */
async function importModule(module: string): Promise<{ default?: unknown }> {
  try {
    return await import(module);
  } catch (error) {
    const isMissing =
      error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    if (!isMissing || isFileUrl(module)) throw error;
    const require = createRequire(join(process.cwd(), 'package.json'));
    return await import(pathToFileURL(require.resolve(module)).href);
  }
}

function isFileUrl(name: string): boolean {
  return URL.canParse(name) && new URL(name).protocol === 'file:';
}

function isPackage(name: string): boolean {
  return PACKAGE_NAME.test(name) && !isBuiltin(name) && !name.split('/').includes('..');
}
