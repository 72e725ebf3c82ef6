// Hints for user modules that cannot be imported. Node's messages say neither which file is meant
// nor what would help, and loaders like tsx do not reach threads.

import { fieldOf, isError, showError } from './showError.ts';

/** The start of a CommonJS SyntaxError's stack: the file and its line. */
const PLACE = /^(?:file:\/\/)?(\/.*|[A-Za-z]:[\\/].*):\d+$/m;
/** Messages about files that contain ES modules but are read as CommonJS. */
const ESM_AS_COMMONJS =
  /Cannot use (?:import statement|'import\.meta') outside a module|Unexpected token 'export'/;
const COMMONJS_AS_ESM =
  /\b(?:require|module|exports|__dirname|__filename) is not defined in ES module/;
const UNKNOWN_EXTENSION = /^Unknown file extension "([^"]+)" for (.+)$/;
const TYPESCRIPT = /^\.[mc]?tsx?$/;

/** Why an import failed, as the end of a sentence, and what to do about it, if known. */
export interface ImportFailure {
  readonly problem: string;
  readonly hint?: string;
}

/** Explains an error that the import of a module threw. */
export function importFailure(thrown: unknown): ImportFailure {
  const hint = hintFor(thrown);
  return {
    problem: `cannot be imported: ${showError(thrown)}`,
    ...(hint !== undefined && { hint }),
  };
}

/** What to do about an error of Node's loader, or undefined for other errors. */
export function hintFor(thrown: unknown): string | undefined {
  if (!isError(thrown)) return undefined;
  const message = String(fieldOf(thrown, 'message'));
  const extension = UNKNOWN_EXTENSION.exec(message);
  if (extension !== null) {
    const [, ending, file] = extension;
    return TYPESCRIPT.test(ending!)
      ? `building ${file} to .mjs first: threads of Node ${process.versions.node} load no ` +
          `${ending} files, not even under tsx or vitest`
      : 'a file that ends in .mjs';
  }
  if (ESM_AS_COMMONJS.test(message)) {
    const [, file = 'the file'] = PLACE.exec(String(fieldOf(thrown, 'stack'))) ?? [];
    return `renaming ${file} to .mjs, or "type": "module" in its package.json`;
  }
  if (COMMONJS_AS_ESM.test(message)) {
    return 'import and export default instead of require and module.exports, or the ending .cjs';
  }
  return undefined;
}

/** What to do about a module with a default export that is not a function. */
export function defaultExportHint(exported: unknown, example: string): string {
  const isCompiled = typeof exported === 'object' && exported !== null && '__esModule' in exported;
  if (isCompiled) return 'building the module as ESM: this one was compiled to CommonJS';
  return example;
}
