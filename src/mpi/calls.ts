// The functions of MPI that are used, bound for one thread. Handles and addresses are plain numbers,
// so that calls leave no garbage. Errors are returned, never fatal, and become exceptions here.

import { RunError } from '../base/errors.ts';
import { type Abi, STATUS_BYTES } from './abi.ts';
import { addressOf, type MpiLibrary } from './library.ts';

type Bytes = Int32Array<ArrayBufferLike> | Uint8Array<ArrayBufferLike>;
type Call = (...args: number[]) => number;

const MAX_TEXT_BYTES = 8192;
/** POSIX's, so that a process that waits gives its core to one that works. */
const YIELD = 'sched_yield';

export interface MpiCalls {
  readonly abi: Abi;
  isInitialized(): boolean;
  /** Initializes MPI for calls from several threads, one at a time. Waits for all processes. */
  init(): void;
  /** Waits for all processes. */
  finalize(): void;
  /** Ends all processes at once with an exit code. Does not return. */
  abort(code: number): void;
  rank(): number;
  size(): number;
  processorName(): string;
  version(): string;
  /** Prepares a message, into one place of an array of requests. */
  sendInit(bytes: Bytes, process: number, tag: number, requests: Requests, at: number): void;
  receiveInit(bytes: Bytes, process: number, tag: number, requests: Requests, at: number): void;
  startAll(requests: Requests): void;
  /** Whether all have ended. */
  testAll(requests: Requests): boolean;
  free(requests: Requests): void;
  /** The process of a message with this tag that has come; undefined where none has. */
  probe(tag: number): number | undefined;
  /** Takes a message that has come. */
  receive(bytes: Bytes, process: number, tag: number): void;
  yield(): void;
}

/** An array of requests in memory that does not move. */
export interface Requests {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Where it lies. */
  readonly ptr: number;
}

/** Binds the functions. */
export function bindMpi({ koffi, handle, abi }: MpiLibrary): MpiCalls {
  const bind = (name: string, parameters: number): Call =>
    handle.func(
      name,
      'int',
      Array.from({ length: parameters }, () => 'intptr_t'),
    ) as Call;
  const handleOf = (what: Abi['commWorld']): number =>
    typeof what === 'number' ? what : addressOf(koffi, handle, what.symbol)!;
  const ptrOf = (bytes: Bytes): number => Number(koffi.address(bytes));
  const world = handleOf(abi.commWorld);
  const byte = handleOf(abi.byte);
  const text = new Uint8Array(MAX_TEXT_BYTES);
  const numbers = new Int32Array(2);
  const status = new Int32Array(STATUS_BYTES / 4);
  const [textPtr, numberPtr, statusPtr] = [ptrOf(text), ptrOf(numbers), ptrOf(status)];
  const lengthPtr = numberPtr + 4;
  const calls = {
    initialized: bind('MPI_Initialized', 1),
    initThread: bind('MPI_Init_thread', 4),
    setErrors: bind('MPI_Comm_set_errhandler', 2),
    finalize: bind('MPI_Finalize', 0),
    abort: bind('MPI_Abort', 2),
    rank: bind('MPI_Comm_rank', 2),
    size: bind('MPI_Comm_size', 2),
    processorName: bind('MPI_Get_processor_name', 2),
    version: bind('MPI_Get_library_version', 2),
    errorString: bind('MPI_Error_string', 3),
    sendInit: bind('MPI_Send_init', 7),
    receiveInit: bind('MPI_Recv_init', 7),
    startAll: bind('MPI_Startall', 2),
    testAll: bind('MPI_Testall', 4),
    free: bind('MPI_Request_free', 1),
    probe: bind('MPI_Iprobe', 5),
    receive: bind('MPI_Recv', 7),
  };
  const readText = (): string => Buffer.from(text.subarray(0, numbers[1])).toString().trim();
  const check = (code: number, what: string): void => {
    if (code === 0) return;
    calls.errorString(code, textPtr, lengthPtr);
    throw new RunError({ reason: `${what} failed: ${readText()}.` });
  };
  const yieldCore = koffi.load(null).func(YIELD, 'int', []) as () => number;
  return {
    abi,
    isInitialized() {
      check(calls.initialized(numberPtr), 'MPI_Initialized');
      return numbers[0] !== 0;
    },
    init() {
      check(calls.initThread(0, 0, abi.threadSerialized, numberPtr), 'MPI_Init_thread');
      if (numbers[0]! < abi.threadSerialized) {
        throw new RunError({ reason: 'this MPI library cannot be used by several threads.' });
      }
      check(calls.setErrors(world, handleOf(abi.errorsReturn)), 'MPI_Comm_set_errhandler');
    },
    finalize: () => check(calls.finalize(), 'MPI_Finalize'),
    abort: (code) => void calls.abort(world, code),
    rank() {
      check(calls.rank(world, numberPtr), 'MPI_Comm_rank');
      return numbers[0]!;
    },
    size() {
      check(calls.size(world, numberPtr), 'MPI_Comm_size');
      return numbers[0]!;
    },
    processorName() {
      check(calls.processorName(textPtr, lengthPtr), 'MPI_Get_processor_name');
      return readText();
    },
    version() {
      check(calls.version(textPtr, lengthPtr), 'MPI_Get_library_version');
      return readText().replaceAll('\0', '');
    },
    sendInit(bytes, process, tag, { ptr }, at) {
      const to = ptr + at * abi.requestBytes;
      const code = calls.sendInit(ptrOf(bytes), bytes.byteLength, byte, process, tag, world, to);
      check(code, 'MPI_Send_init');
    },
    receiveInit(bytes, process, tag, { ptr }, at) {
      const to = ptr + at * abi.requestBytes;
      const code = calls.receiveInit(ptrOf(bytes), bytes.byteLength, byte, process, tag, world, to);
      check(code, 'MPI_Recv_init');
    },
    startAll: ({ count, ptr }) => check(calls.startAll(count, ptr), 'MPI_Startall'),
    testAll({ count, ptr }) {
      check(calls.testAll(count, ptr, numberPtr, abi.statusIgnore), 'MPI_Testall');
      return numbers[0] !== 0;
    },
    free({ count, ptr }) {
      for (let at = 0; at < count; at++) {
        check(calls.free(ptr + at * abi.requestBytes), 'MPI_Request_free');
      }
    },
    probe(tag) {
      check(calls.probe(abi.anySource, tag, world, numberPtr, statusPtr), 'MPI_Iprobe');
      return numbers[0] === 0 ? undefined : status[abi.sourceBytes / 4]!;
    },
    receive(bytes, process, tag) {
      const ptr = ptrOf(bytes);
      const { byteLength } = bytes;
      const code = calls.receive(ptr, byteLength, byte, process, tag, world, abi.statusIgnore);
      check(code, 'MPI_Recv');
    },
    yield: () => void yieldCore(),
  };
}

/** Room for requests. */
export function allocateRequests({ koffi, abi }: MpiLibrary, count: number): Requests {
  const bytes = new Uint8Array(new SharedArrayBuffer(Math.max(1, count) * abi.requestBytes));
  return { bytes, count, ptr: Number(koffi.address(bytes)) };
}
