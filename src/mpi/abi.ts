// The three families of MPI libraries differ in their handle types and constants. Values are those
// of the MPI 5.0 ABI (mpi-abi-stubs), of Open MPI 4 and 5, and of MPICH and its relatives (Intel
// MPI, MVAPICH, Cray). A library's symbols tell its family, as in mpi4py.

/** A handle: a value, or the address of one of the library's symbols. */
type Handle = number | { readonly symbol: string };

export interface Abi {
  readonly family: 'MPI 5 ABI' | 'Open MPI' | 'MPICH';
  readonly commWorld: Handle;
  readonly byte: Handle;
  readonly errorsReturn: Handle;
  readonly statusIgnore: number;
  readonly anySource: number;
  readonly threadSerialized: number;
  /** Size of an element in a request array. */
  readonly requestBytes: 4 | 8;
  /** Offset of MPI_SOURCE in a status, in bytes. */
  readonly sourceBytes: number;
}

/** More than the status size of any family. */
export const STATUS_BYTES = 64;

const STANDARD: Abi = {
  family: 'MPI 5 ABI',
  commWorld: 0x101,
  byte: 0x247,
  errorsReturn: 0x142,
  statusIgnore: 0,
  anySource: -1,
  threadSerialized: 2048,
  requestBytes: 8,
  sourceBytes: 0,
};

const OPEN_MPI: Abi = {
  family: 'Open MPI',
  commWorld: { symbol: 'ompi_mpi_comm_world' },
  byte: { symbol: 'ompi_mpi_byte' },
  errorsReturn: { symbol: 'ompi_mpi_errors_return' },
  statusIgnore: 0,
  anySource: -1,
  threadSerialized: 2,
  requestBytes: 8,
  sourceBytes: 0,
};

const MPICH: Abi = {
  family: 'MPICH',
  commWorld: 0x44000000,
  byte: 0x4c00010d,
  errorsReturn: 0x54000001,
  statusIgnore: 1,
  anySource: -2,
  threadSerialized: 2,
  requestBytes: 4,
  sourceBytes: 8,
};

/** The family of a library with these symbols; undefined if it is not MPI. */
export function abiOf(hasSymbol: (name: string) => boolean): Abi | undefined {
  if (!hasSymbol('MPI_Comm_size')) return undefined;
  if (hasSymbol('MPI_Abi_get_version')) return STANDARD;
  return hasSymbol('ompi_mpi_comm_self') ? OPEN_MPI : MPICH;
}
