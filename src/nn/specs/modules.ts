// Modules of custom layers and losses: which name one, which may be imported, and their import.
// Importing runs code, so a module that comes from data (a checkpoint, a model in JSON) needs a
// permission; one that this program named itself, by nn.custom or nn.customLoss, has it.

import { createRequire, isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../../base/errors.ts';
import { defaultExportHint, importFailure } from '../../base/importing.ts';

/** Whose code may run: `true` for all modules that models and losses name, or a list of `file:`
 * URLs, paths and package names. */
export type AllowModules = true | readonly string[];

const PACKAGE_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[^:?#\\]+)?$/i;

/** Modules that this program named itself. */
const named = new Set<string>();
const loaded = new Map<string, (options: unknown) => unknown>();

/** How specs name a module: by a `file:` URL or by the name of a package. Anything else is refused,
 * above all URLs that carry their code with them or fetch it. `part` of a run is what it makes. */
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

/** Takes a module as one that this program named, not its data. */
export function trustModule(module: string): void {
  named.add(module);
}

/** What a module's default export is, once it is loaded. */
export function factoryOf(module: string): ((options: unknown) => unknown) | undefined {
  return loaded.get(module);
}

/** Imports the modules of custom layers and losses. To be awaited before the model is resolved.
 * Throws a {@link UsageError} that lists the modules without a permission, before any is imported,
 * and for one that cannot be loaded. */
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

/** A name as specs have it: paths become URLs. */
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

/** A package is looked for beside this library, then where the program was started. */
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
