// The interface that moves bytes between processes: everything that a link (link.ts) needs from MPI
// or a replacement. A transport knows neither calls nor arenas, only messages that are prepared
// once and started repeatedly.

/** Bytes to send, or a buffer for received bytes, which may be larger than the message. */
export interface Message {
  /** The other process. */
  readonly process: number;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

export interface Messages {
  /** Messages to one process arrive in the order in which they are sent. */
  readonly sends: readonly Message[];
  readonly receives: readonly Message[];
}

/** One process's end, used by one thread at a time. Nothing here waits. */
export interface Transport {
  readonly process: number;
  readonly processes: number;
  /** Prepares messages and returns their number. */
  prepare(messages: Messages): number;
  /** Sends them and begins to receive. Allocates nothing. */
  start(prepared: number): void;
  /** Whether all started messages have been sent and received. Allocates nothing. */
  test(prepared: number): boolean;
  /** Releases messages that are not in progress. */
  release(prepared: number): void;
  /** Yields the core for a moment, since nothing has arrived in `turn` looks. Allocates nothing. */
  pause(turn: number): void;
  /** Tells all others why this process stops, as far as that is possible without waiting. */
  fail(reason: string): void;
  /** The failure that another process has reported with {@link fail}, or undefined. */
  readFailure(): TransportFailure | undefined;
  /** Whether all workers of another process have made their last call; its last messages may still
   * be in transit. */
  hasFinished(process: number): boolean;
}

export interface TransportFailure {
  readonly process: number;
  readonly reason: string;
}
