// What moves bytes between processes: all that a link (link.ts) needs of MPI, or of whatever takes
// its place. A transport knows neither calls nor arenas, only messages that are prepared once and
// started again and again.

/** Bytes that are sent, or a place for bytes that come, which may be larger than what comes. */
export interface Message {
  /** The other process. */
  readonly process: number;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

export interface Messages {
  /** Messages to one process come in the order in which they are sent. */
  readonly sends: readonly Message[];
  readonly receives: readonly Message[];
}

/** One process's end. Of one thread at a time. Nothing here waits. */
export interface Transport {
  readonly process: number;
  readonly processes: number;
  /** Prepares messages; gives their number. */
  prepare(messages: Messages): number;
  /** Sends them and begins to receive. Allocates nothing. */
  start(prepared: number): void;
  /** Whether all that was started has been sent and has come. Allocates nothing. */
  test(prepared: number): boolean;
  /** Forgets messages that are not under way. */
  release(prepared: number): void;
  /** Gives the core away for a moment, since nothing has come in `turn` looks. Allocates
   * nothing. */
  pause(turn: number): void;
  /** Tells all others why this process goes no further, as far as that can be done at once. */
  fail(reason: string): void;
  /** What another process has said with {@link fail}; undefined where none has. */
  readFailure(): TransportFailure | undefined;
  /** Whether all workers of another process have made their last call; its last messages may still
   * be under way. */
  hasFinished(process: number): boolean;
}

export interface TransportFailure {
  readonly process: number;
  readonly reason: string;
}
