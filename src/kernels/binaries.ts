// The compiled files of kernels: reading, compiling and binding them to a memory. builds.ts chooses
// the one that a run uses.

import { readFileSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { ownFile } from '../base/ownFile.ts';
import type { KernelExports } from './exports.ts';

/** Binds compiled kernels to an arena. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as KernelExports;
}

/** Compiles a built module. */
export function compileBinary(file: string): WebAssembly.Module {
  return compileFile(ownFile(`#kernels/${file}.wasm`));
}

/** The code of a built module. */
export function kernelBytes(file: string): Uint8Array {
  return readFileSync(ownFile(`#kernels/${file}.wasm`));
}

/** Compiles a file of kernels. Throws an error that says what to do if that fails. */
export function compileFile(path: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint = HINTS[code ?? ''] ?? 'installing syncbn again';
    const details = { what: 'the kernels', given: message, allowed: `a readable ${path}`, hint };
    throw Object.assign(new UsageError(details), { cause: error });
  }
}

/** What to do about errors of the system. */
const HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'closing files, or a higher limit of open files (ulimit -n)',
  ENFILE: 'closing files: the whole system has too many open',
  EACCES: 'permission to read that file',
  ENOENT: 'installing syncbn again, or npm run build in its repository',
};
