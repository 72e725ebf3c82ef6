// The MPI library of this machine, found and loaded at run time through koffi, which is installed
// by those who use it. Nothing of this is touched by a run of one process.

import { UsageError } from '../base/errors.ts';
import { loadOptional } from '../base/optionalPackage.ts';
import { showError } from '../base/showError.ts';
import { type Abi, abiOf } from './abi.ts';
import type { Launcher } from './launcher.ts';

type Koffi = typeof import('koffi');
export type KoffiLibrary = ReturnType<Koffi['load']>;

/** A library that is loaded. Each thread loads it for itself; the main thread's keeps it mapped. */
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

/** What UCX, which MPICH brings along, must not do in a process with WebAssembly and threads: take
 * over SIGSEGV, which V8 turns into traps, and patch the heap's calls under running threads. */
const UCX_DEFAULTS = { UCX_ERROR_SIGNALS: '', UCX_MEM_EVENTS: 'n' } as const;

/** Loads koffi, or says how to get it. */
export function loadKoffi(): Koffi {
  return loadOptional('koffi', 'MPI') as Koffi;
}

/** Loads the library that belongs to the launcher, or the one that `SYNCBN_MPI` names. To be called
 * by the main thread first: UCX reads its environment when it is loaded, and the library stays
 * mapped only as long as a thread that has loaded it lives. */
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
    problem: `has no library that could be loaded: ${failures.join('; ')}`,
    hint: 'installing Open MPI or MPICH, or SYNCBN_MPI=/path/to/its/library',
  });
}

/** The libraries of MPI that can be loaded here, each with its family. */
export function mpiLibraries(): readonly string[] {
  const koffi = loadKoffi();
  return filesOf(undefined).flatMap((file) => {
    const loaded = tryLoad(koffi, file);
    return typeof loaded === 'string' ? [] : [`${file} (${loaded.abi.family})`];
  });
}

/** Loads, in another thread, what the main thread has loaded. */
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

/** The library, or why not. */
function tryLoad(koffi: Koffi, file: string): MpiLibrary | string {
  let handle: KoffiLibrary;
  try {
    handle = koffi.load(file);
  } catch (error) {
    return `${file} (${showError(error)})`;
  }
  const abi = abiOf((name) => addressOf(koffi, handle, name) !== undefined);
  return abi === undefined ? `${file} (it is no MPI library)` : { koffi, file, handle, abi };
}

/** The address of a symbol; undefined where the library has none of the name. */
export function addressOf(koffi: Koffi, handle: KoffiLibrary, name: string): number | undefined {
  try {
    return Number(koffi.address(handle.symbol(name, 'void')));
  } catch {
    return undefined;
  }
}
