// The MPI functions that are used, bound for one thread. Handles and addresses are plain numbers,
// so that calls create no garbage. Errors are returned by MPI rather than fatal, and become
// exceptions here.

import { RunError } from '../base/errors.ts';
import { type Abi, STATUS_BYTES } from './abi.ts';
import { addressOf, type MpiLibrary } from './library.ts';

type Bytes = Int32Array<ArrayBufferLike> | Uint8Array<ArrayBufferLike>;
type Call = (...args: number[]) => number;

const MAX_TEXT_BYTES = 8192;
/** From POSIX. A waiting process gives its core to one that works. */
const YIELD = 'sched_yield';
/** From POSIX. It runs no library code, so a library that hangs cannot keep the process alive. */
const EXIT = '_exit';

export interface MpiCalls {
  readonly abi: Abi;
  /** Initializes MPI for calls from several threads, one at a time. Waits for all processes. */
  init(): void;
  /** Waits for all processes. */
  finalize(): void;
  /** Ends all processes immediately with an exit code. Does not return. */
  abort(code: number): void;
  /** Ends only this process, regardless of what its threads are doing. Does not return. */
  exit(code: number): void;
  rank(): number;
  size(): number;
  processorName(): string;
  version(): string;
  /** Prepares a message, at an index of a request array. */
  sendInit(bytes: Bytes, process: number, tag: number, requests: Requests, at: number): void;
  receiveInit(bytes: Bytes, process: number, tag: number, requests: Requests, at: number): void;
  startAll(requests: Requests): void;
  /** Whether all requests have completed. */
  testAll(requests: Requests): boolean;
  free(requests: Requests): void;
  /** The source of an arrived message with this tag; undefined if there is none. `from` is the
   * process to check. Default: any. */
  probe(tag: number, from?: number): number | undefined;
  /** Receives a message that has arrived. */
  receive(bytes: Bytes, process: number, tag: number): void;
  yield(): void;
}

/** An array of requests in memory that does not move. */
export interface Requests {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Address of the array. */
  readonly ptr: number;
}

/** The number of parameters. All are addresses, handles or counts, and all results are codes. */
const PARAMETERS = {
  MPI_Init_thread: 4,
  MPI_Comm_set_errhandler: 2,
  MPI_Finalize: 0,
  MPI_Abort: 2,
  MPI_Comm_rank: 2,
  MPI_Comm_size: 2,
  MPI_Get_processor_name: 2,
  MPI_Get_library_version: 2,
  MPI_Error_string: 3,
  MPI_Send_init: 7,
  MPI_Recv_init: 7,
  MPI_Startall: 2,
  MPI_Testall: 4,
  MPI_Request_free: 1,
  MPI_Iprobe: 5,
  MPI_Recv: 7,
} as const;
type Name = keyof typeof PARAMETERS;

/** What the calls need. */
interface Bound {
  readonly abi: Abi;
  /** Calls a function; throws if it fails. */
  call(name: Name, ...args: number[]): void;
  /** Returns the code of a function that may fail. */
  readonly mpi: Readonly<Record<Name, Call>>;
  readonly world: number;
  readonly byte: number;
  readonly errorsReturn: number;
  ptrOf(bytes: Bytes): number;
  /** Memory for a text, for a number and the length of a text, and for a status. */
  readonly text: Uint8Array;
  readonly numbers: Int32Array;
  readonly status: Int32Array;
  readonly textPtr: number;
  readonly numberPtr: number;
  readonly lengthPtr: number;
  readonly statusPtr: number;
  readText(): string;
}

/** Binds the functions. */
export function bindMpi(library: MpiLibrary): MpiCalls {
  const bound = bindFunctions(library);
  const system = library.koffi.load(null);
  const yieldCore = system.func(YIELD, 'int', []) as () => number;
  const exit = system.func(EXIT, 'void', ['int']) as (code: number) => void;
  return {
    abi: library.abi,
    ...bindLife(bound),
    ...bindMessages(bound),
    exit,
    yield: () => void yieldCore(),
  };
}

function bindFunctions({ koffi, handle, abi }: MpiLibrary): Bound {
  const bind = (name: Name): Call => {
    const parameters = Array.from({ length: PARAMETERS[name] }, () => 'intptr_t');
    return handle.func(name, 'int', parameters) as Call;
  };
  const names = Object.keys(PARAMETERS) as readonly Name[];
  const mpi = Object.fromEntries(names.map((name) => [name, bind(name)])) as Record<Name, Call>;
  const handleOf = (what: Abi['commWorld']): number =>
    typeof what === 'number' ? what : addressOf(koffi, handle, what.symbol)!;
  const ptrOf = (bytes: Bytes): number => Number(koffi.address(bytes));
  const text = new Uint8Array(MAX_TEXT_BYTES);
  const numbers = new Int32Array(2);
  const status = new Int32Array(STATUS_BYTES / 4);
  const [textPtr, numberPtr] = [ptrOf(text), ptrOf(numbers)];
  const lengthPtr = numberPtr + 4;
  const readText = (): string => {
    const end = text.subarray(0, numbers[1]).indexOf(0);
    return Buffer.from(text.subarray(0, end < 0 ? numbers[1] : end))
      .toString()
      .trim();
  };
  return {
    abi,
    mpi,
    call(name, ...args) {
      const code = mpi[name](...args);
      if (code === 0) return;
      mpi.MPI_Error_string(code, textPtr, lengthPtr);
      throw new RunError({ reason: `${name} failed: ${readText()}.` });
    },
    world: handleOf(abi.commWorld),
    byte: handleOf(abi.byte),
    errorsReturn: handleOf(abi.errorsReturn),
    ptrOf,
    ...{ text, numbers, status, textPtr, numberPtr, lengthPtr, statusPtr: ptrOf(status) },
    readText,
  };
}

function bindLife({ abi, mpi, call, world, errorsReturn, ...bound }: Bound) {
  const { numbers, textPtr, numberPtr, lengthPtr, readText } = bound;
  return {
    init() {
      call('MPI_Init_thread', 0, 0, abi.threadSerialized, numberPtr);
      if (numbers[0]! < abi.threadSerialized) {
        throw new RunError({ reason: 'this MPI library does not support several threads.' });
      }
      call('MPI_Comm_set_errhandler', world, errorsReturn);
    },
    finalize: () => call('MPI_Finalize'),
    abort: (code: number) => void mpi.MPI_Abort(world, code),
    rank() {
      call('MPI_Comm_rank', world, numberPtr);
      return numbers[0]!;
    },
    size() {
      call('MPI_Comm_size', world, numberPtr);
      return numbers[0]!;
    },
    processorName() {
      call('MPI_Get_processor_name', textPtr, lengthPtr);
      return readText();
    },
    version() {
      call('MPI_Get_library_version', textPtr, lengthPtr);
      // MPICH's version is followed by how it was compiled.
      return readText().split('\n')[0]!.replaceAll('\t', ' ');
    },
  };
}

/** The calls made in steps. They avoid argument lists, which would be garbage. */
function bindMessages({ abi, mpi, call, world, byte, ...bound }: Bound) {
  const { numbers, status, numberPtr, statusPtr, ptrOf } = bound;
  const prepare =
    (name: 'MPI_Send_init' | 'MPI_Recv_init'): MpiCalls['sendInit'] =>
    (bytes, process, tag, { ptr }, at) => {
      const to = ptr + at * abi.requestBytes;
      call(name, ptrOf(bytes), bytes.byteLength, byte, process, tag, world, to);
    };
  const check = (code: number, name: Name): void => {
    if (code !== 0) throw new RunError({ reason: `${name} failed with code ${code}.` });
  };
  return {
    sendInit: prepare('MPI_Send_init'),
    receiveInit: prepare('MPI_Recv_init'),
    startAll({ count, ptr }: Requests) {
      check(mpi.MPI_Startall(count, ptr), 'MPI_Startall');
    },
    testAll({ count, ptr }: Requests) {
      check(mpi.MPI_Testall(count, ptr, numberPtr, abi.statusIgnore), 'MPI_Testall');
      return numbers[0] !== 0;
    },
    free({ count, ptr }: Requests) {
      for (let at = 0; at < count; at++) call('MPI_Request_free', ptr + at * abi.requestBytes);
    },
    probe(tag: number, from = abi.anySource) {
      check(mpi.MPI_Iprobe(from, tag, world, numberPtr, statusPtr), 'MPI_Iprobe');
      return numbers[0] === 0 ? undefined : status[abi.sourceBytes / 4]!;
    },
    receive(bytes: Bytes, process: number, tag: number) {
      const ptr = ptrOf(bytes);
      call('MPI_Recv', ptr, bytes.byteLength, byte, process, tag, world, abi.statusIgnore);
    },
  };
}

/** Allocates memory for requests. */
export function allocateRequests({ koffi, abi }: MpiLibrary, count: number): Requests {
  const bytes = new Uint8Array(new SharedArrayBuffer(Math.max(1, count) * abi.requestBytes));
  return { bytes, count, ptr: Number(koffi.address(bytes)) };
}
