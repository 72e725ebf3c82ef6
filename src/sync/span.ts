// The sizes and addresses of what the first member of a process exchanges for a group. After the
// block of the group there are, for each other process, a head and a body in each direction.

import { alignUp } from '../base/bytes.ts';
import { BULK_BYTES } from './link.ts';
import { CALL_TEXT_BYTES, LINE_BYTES } from './words.ts';

/** The location of a group's members. */
export interface Span {
  /** This process. */
  readonly process: number;
  /** The members in each process; empty for processes outside the group. */
  readonly members: readonly (readonly number[])[];
  readonly slotBytes: number;
}

// A head: | signature | number of the call | bytes of its text, then the text |, then for each
// member of the process | length | two values |, then parts of slots.
export const SIGNATURE_WORD = 0;
export const NUMBER_WORD = 1;
export const TEXT_WORD = 2;
export const LINES_WORD = TEXT_WORD + 1 + CALL_TEXT_BYTES / 4;
export const MEMBER_WORDS = 3;
const MEMBER_BYTES = MEMBER_WORDS * 4;

/** The maximum bytes that a head carries for each member, which takes hardly longer over a network
 * than an empty message. */
const INLINE_BYTES = 1024;
/** Parts are sent in sizes of this and its multiples by powers of two, */
const SIZE_BYTES = 64;
/** with this many steps in between, so that at most an eighth is wasted. */
const STEPS = 8;

/** The number of bytes that a member may publish in a synchronization with only one exchange. */
export function inlineBytesOf({ members }: Pick<Span, 'members'>): number {
  const most = Math.max(...members.map(({ length }) => length));
  // The link sends larger messages differently.
  const room = Math.floor((BULK_BYTES - 1 - LINES_WORD * 4) / most) - MEMBER_BYTES;
  return Math.min(INLINE_BYTES, Math.floor(room / SIZE_BYTES) * SIZE_BYTES);
}

/** The next size that is at least `bytes`; 0 for 0. */
export function sentSizeOf(bytes: number): number {
  if (bytes === 0) return 0;
  const octave = 2 ** Math.max(0, Math.floor(Math.log2((bytes - 1) / SIZE_BYTES)));
  return alignUp(bytes, Math.max(SIZE_BYTES, (octave * SIZE_BYTES) / STEPS));
}

/** The addresses of data that is exchanged with another process. */
export interface Room {
  readonly process: number;
  readonly sentHeadPtr: number;
  readonly headPtr: number;
  readonly sentBodyPtr: number;
  readonly bodyPtr: number;
}

/** Lays out the rooms from an address on, and returns where they end. */
export function layOut(
  span: Span,
  fromPtr: number,
): { readonly rooms: readonly Room[]; endPtr: number } {
  const { process: own, members } = span;
  let endPtr = fromPtr;
  const take = (sizeBytes: number): number => {
    const ptr = endPtr;
    endPtr += alignUp(sizeBytes, LINE_BYTES);
    return ptr;
  };
  const headBytes = (process: number): number => headBytesOf(span, process, inlineBytesOf(span));
  const rooms = peersOf(span).map((process) => ({
    process,
    sentHeadPtr: take(headBytes(own)),
    headPtr: take(headBytes(process)),
    sentBodyPtr: take(members[own]!.length * mostBodyBytesOf(span)),
    bodyPtr: take(members[process]!.length * mostBodyBytesOf(span)),
  }));
  return { rooms, endPtr };
}

/** The other processes of a group. */
function peersOf({ process: own, members }: Span): readonly number[] {
  return [...members.keys()].filter((process) => process !== own && members[process]!.length > 0);
}

export function headBytesOf({ members }: Span, process: number, inlineBytes: number): number {
  return LINES_WORD * 4 + members[process]!.length * (MEMBER_BYTES + inlineBytes);
}

/** The maximum bytes that one member publishes for one process: its slot, or slices, rounded up. */
function mostBodyBytesOf({ members, slotBytes }: Span): number {
  const most = Math.max(...members.map(({ length }) => length));
  return sentSizeOf(slotBytes + most * SIZE_BYTES);
}

/** The bytes that the first member of a process needs after the block of a group. */
export function bridgeBytesOf(span: Span): number {
  return layOut(span, 0).endPtr;
}

/** The maximum bytes that are sent to another process at once. */
export function mostBytesOf(span: Span): number {
  return span.members[span.process]!.length * mostBodyBytesOf(span) + BULK_BYTES;
}
