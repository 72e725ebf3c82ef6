// The description of a synchronization, which lets members detect that they make different calls.
// Calls are prepared once, at plan time; making them does not allocate.

import { fnv1a } from '../base/fnv.ts';
import { CALL_TEXT_BYTES, NO_LENGTH } from './words.ts';

export interface CallDetails {
  /** The kind of call: `barrier`, `allReduce`, `moments` and so on. */
  readonly kind: string;
  /** The subject, such as a layer's path. */
  readonly label?: string;
  /** The operation, such as `sum` or `root 2`. */
  readonly op?: string;
  /** The element type. */
  readonly type?: string;
  /** Elements per member. Default: none; the call moves no data. */
  readonly length?: number;
  /** Whether members may give different lengths, which the caller then compares. */
  readonly uneven?: boolean;
  /** What processes exchange meanwhile. Default: nothing; the call is within one process. */
  readonly exchange?: ProcessExchange | undefined;
}

/** A part of the arena. */
export interface ArenaRange {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** The ranges to copy between arenas: for each process in order, empty for this one. */
export interface ExchangedRanges {
  /** The ranges of this arena to send there. */
  readonly sends: readonly (readonly ArenaRange[])[];
  /** The ranges of this arena for data from there, in the order in which it is sent. */
  readonly receives: readonly (readonly ArenaRange[])[];
}

/** What processes exchange during a call, or between {@link Member.start} and a later call. */
export interface ProcessExchange extends ExchangedRanges {
  /** The link to use. Default: the first, for exchanges that never overlap. */
  readonly link?: number;
  /** Calls started earlier; their exchanges must end with this one. */
  readonly ends?: readonly Call[];
  /** Runs first, on the first worker of a process once all others have arrived, and folds what they
   * have published. */
  before?(): void;
}

/** The ranges of all parts, in sequence. */
export function joinRanges(parts: readonly ExchangedRanges[]): ExchangedRanges {
  const joined = (of: 'sends' | 'receives'): readonly (readonly ArenaRange[])[] =>
    (parts[0]?.[of] ?? []).map((_, process) => parts.flatMap((part) => part[of][process]!));
  return { sends: joined('sends'), receives: joined('receives') };
}

/** A prepared call. It is the same on every member, except for what each process exchanges. */
export interface Call {
  /** A description: `allReduce(sum, float32) "loss"`. */
  readonly text: string;
  /** A 32-bit hash of the text. */
  readonly signature: number;
  readonly length: number;
  readonly uneven: boolean;
  readonly exchange: ProcessExchange | undefined;
  /** The text in the form of the control words: the number of bytes, then UTF-8. */
  readonly textWords: Int32Array;
}

/** Prepares a call. */
export function prepareCall(details: CallDetails): Call {
  const { kind, label, op, type, length = NO_LENGTH, uneven = false, exchange } = details;
  const how = [op, type].filter((part) => part !== undefined).join(', ');
  const what = label === undefined ? '' : ` "${label}"`;
  const text = `${kind}${how === '' ? '' : `(${how})`}${what}`;
  const bytes = new TextEncoder().encode(text);
  const shown = bytes.subarray(0, CALL_TEXT_BYTES);
  const textWords = new Int32Array(1 + Math.ceil(shown.length / 4));
  textWords[0] = shown.length;
  new Uint8Array(textWords.buffer, 4).set(shown);
  return { text, signature: fnv1a(bytes), length, uneven, exchange, textWords };
}
