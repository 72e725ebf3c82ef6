// What a member says about a synchronization, so that members that call different things find out.
// Calls are prepared once, at plan time; nothing is allocated when they are made.

import { fnv1a } from '../base/fnv.ts';
import { CALL_TEXT_BYTES, NO_LENGTH } from './words.ts';

export interface CallDetails {
  /** What is called: `barrier`, `allReduce`, `moments` and so on. */
  readonly kind: string;
  /** What it is about, such as a layer's path. */
  readonly label?: string;
  /** How, such as `sum` or `root 2`. */
  readonly op?: string;
  /** The element type. */
  readonly type?: string;
  /** Elements per member. Default: none, the call moves no data of its own. */
  readonly length?: number;
  /** Whether members may give different lengths, which the caller then compares. */
  readonly uneven?: boolean;
  /** What processes exchange meanwhile. Default: nothing, the call is of one process alone. */
  readonly exchange?: ProcessExchange | undefined;
}

/** A part of the arena. */
export interface ArenaRange {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** What goes from arena to arena: for each process in order, and nothing for this one. */
export interface ExchangedRanges {
  /** What of this arena goes there. */
  readonly sends: readonly (readonly ArenaRange[])[];
  /** Where what comes from there goes, in the order in which it is sent. */
  readonly receives: readonly (readonly ArenaRange[])[];
}

/** What processes exchange during a call, or between {@link Member.start} and a later call. */
export interface ProcessExchange extends ExchangedRanges {
  /** Which of the links it uses. Default: the first, for exchanges that never overlap. */
  readonly link?: number;
  /** Calls started earlier; their exchanges must end with this one. */
  readonly ends?: readonly Call[];
  /** Runs first, on the first worker of a process once all others have come: it folds what they
   * have published. */
  before?(): void;
}

/** The ranges of all parts, in sequence. */
export function joinRanges(parts: readonly ExchangedRanges[]): ExchangedRanges {
  const joined = (of: 'sends' | 'receives'): readonly (readonly ArenaRange[])[] =>
    (parts[0]?.[of] ?? []).map((_, process) => parts.flatMap((part) => part[of][process]!));
  return { sends: joined('sends'), receives: joined('receives') };
}

/** A prepared call; the same on every member, but for what each process exchanges. */
export interface Call {
  /** For people: `allReduce(sum, float32) "loss"`. */
  readonly text: string;
  /** A 32-bit hash of the text. */
  readonly signature: number;
  readonly length: number;
  readonly uneven: boolean;
  readonly exchange: ProcessExchange | undefined;
  /** The text as it goes into the control words: its bytes, then UTF-8. */
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
