// The MPI library of this machine, found and loaded at run time with koffi, which users install if
// they need it. A run of one process uses none of this.

import { UsageError } from '../base/errors.ts';
import { loadOptional } from '../base/optionalPackage.ts';
import { showError } from '../base/showError.ts';
import { type Abi, abiOf } from './abi.ts';
import type { Launcher } from './launcher.ts';

type Koffi = typeof import('koffi');
export type KoffiLibrary = ReturnType<Koffi['load']>;

/** A loaded library. Each thread loads its own; the main thread keeps it mapped. */
export interface MpiLibrary {
  readonly koffi: Koffi;
  /** Its file or name, for the other threads. */
  readonly file: string;
  readonly handle: KoffiLibrary;
  readonly abi: Abi;
}

const OPEN_MPI_FILES = ['libmpi.so.40', 'libmpi.40.dylib'];
const MPICH_FILES = ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib', 'libpmpi.12.dylib'];
const STANDARD_FILES = ['libmpi_abi.so.1', 'libmpi_abi.so.0', 'libmpi_abi.dylib'];

/** What UCX, which MPICH includes, must not do in a process with WebAssembly and threads: handle
 * SIGSEGV, which V8 turns into traps, and patch heap functions while threads run. */
const UCX_DEFAULTS = { UCX_ERROR_SIGNALS: '', UCX_MEM_EVENTS: 'n' } as const;

/** Loads koffi. The error says how to install it. */
export function loadKoffi(): Koffi {
  return loadOptional('koffi', 'MPI') as Koffi;
}

/** Loads the library of the launcher, or the one in `SYNCBN_MPI`. Call it first on the main thread:
 * UCX reads its environment when it is loaded, and the library stays mapped only while a thread
 * that loaded it is alive. */
export function loadMpi(launcher: Pick<Launcher, 'name'> | undefined): MpiLibrary {
  for (const [name, value] of Object.entries(UCX_DEFAULTS)) process.env[name] ??= value;
  const koffi = loadKoffi();
  const given = process.env.SYNCBN_MPI;
  const files = given === undefined || given === '' ? filesOf(launcher) : [given];
  const failures: string[] = [];
  for (const file of files) {
    const loaded = tryLoad(koffi, file);
    if (typeof loaded !== 'string') return loaded;
    failures.push(loaded);
  }
  throw new UsageError({
    what: given ? 'SYNCBN_MPI' : 'MPI',
    problem: `has no library that can be loaded: ${failures.join('; ')}`,
    hint: 'installing Open MPI or MPICH, or SYNCBN_MPI=/path/to/its/library',
  });
}

/** The MPI libraries that can be loaded here, each with its family. */
export function mpiLibraries(): readonly string[] {
  const koffi = loadKoffi();
  return filesOf(undefined).flatMap((file) => {
    const loaded = tryLoad(koffi, file);
    return typeof loaded === 'string' ? [] : [`${file} (${loaded.abi.family})`];
  });
}

/** Loads, in another thread, the library that the main thread has loaded. */
export function loadMpiAgain(file: string): MpiLibrary {
  const loaded = tryLoad(loadKoffi(), file);
  if (typeof loaded !== 'string') return loaded;
  throw new UsageError({ what: 'MPI', problem: `cannot be loaded by a thread: ${loaded}` });
}

function filesOf(launcher: Pick<Launcher, 'name'> | undefined): readonly string[] {
  switch (launcher?.name) {
    case 'Open MPI':
      return [...OPEN_MPI_FILES, ...STANDARD_FILES];
    case 'MPICH':
      return [...MPICH_FILES, ...STANDARD_FILES];
    default:
      return [...OPEN_MPI_FILES, ...MPICH_FILES, ...STANDARD_FILES];
  }
}

/** The library, or why it cannot be loaded. */
function tryLoad(koffi: Koffi, file: string): MpiLibrary | string {
  let handle: KoffiLibrary;
  try {
    handle = koffi.load(file);
  } catch (error) {
    return `${file} (${showError(error)})`;
  }
  const abi = abiOf((name) => addressOf(koffi, handle, name) !== undefined);
  return abi === undefined ? `${file} (it is not an MPI library)` : { koffi, file, handle, abi };
}

/** The address of a symbol; undefined if the library does not have it. */
export function addressOf(koffi: Koffi, handle: KoffiLibrary, name: string): number | undefined {
  try {
    return Number(koffi.address(handle.symbol(name, 'void')));
  } catch {
    return undefined;
  }
}
