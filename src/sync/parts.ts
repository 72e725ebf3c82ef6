// The data that a synchronization moves between processes: parts of the slots, the same ones on all
// members. A part is copied to the same place in the other process.

/** Stands for each rank. */
export const EACH = -1;

/** Receives a part of a rank's slot, in bytes. */
export type VisitPart = (slot: number, offsetBytes: number, sizeBytes: number) => void;

/** The members between which parts move. */
export interface Ends {
  /** The rank that publishes, or {@link EACH}. */
  readonly from: number;
  /** The rank with the process that receives what is published, or {@link EACH}. */
  readonly to: number;
}

export const ALL_ENDS: Ends = { from: EACH, to: EACH };

export interface Parts extends Ends {
  /** The maximum bytes that a rank publishes for one process, or for one member of it. */
  readonly sizeBytes: number;
  readonly isPerMember: boolean;
  /** Calls back for each part from the member `from` to the members `to` of one process. */
  visit(from: number, to: readonly number[], part: VisitPart): void;
}

export const NO_PARTS: Parts = { ...ALL_ENDS, sizeBytes: 0, isPerMember: false, visit() {} };

/** The start of each slot. `sizeOf` gives the size for ranks that publish less. */
export function wholeSlots(
  ends: Ends,
  sizeBytes: number,
  sizeOf: (rank: number) => number = () => sizeBytes,
): Parts {
  const visit: Parts['visit'] = (from, _, part) => part(from, 0, sizeOf(from));
  return { ...ends, sizeBytes, isPerMember: false, visit };
}

/** A block of a slot for each rank, `strideBytes` apart. */
export function blocks(from: number, strideBytes: number, sizeBytes: number): Parts {
  const visit: Parts['visit'] = (by, to, part) => {
    for (let i = 0; i < to.length; i++) part(by, to[i]! * strideBytes, sizeBytes);
  };
  return { from, to: EACH, sizeBytes, isPerMember: true, visit };
}

/** How `totalBytes` of every slot are cut: the slice of each rank begins at its multiple of
 * `sliceBytes`. Later slices may be short or empty. */
export interface Slices {
  readonly totalBytes: number;
  readonly sliceBytes: number;
}

function visitSlice(
  { totalBytes, sliceBytes }: Slices,
  of: number,
  visit: VisitPart,
  slot: number,
) {
  const fromBytes = Math.min(totalBytes, of * sliceBytes);
  visit(slot, fromBytes, Math.min(sliceBytes, totalBytes - fromBytes));
}

/** Sends each rank its slice of every slot. */
export function slicesToOwners(slices: Slices): Parts {
  const visit: Parts['visit'] = (from, to, part) => {
    for (let i = 0; i < to.length; i++) visitSlice(slices, to[i]!, part, from);
  };
  return { ...ALL_ENDS, sizeBytes: slices.sliceBytes, isPerMember: true, visit };
}

/** Sends each rank's slice of its own slot to the others. */
export function slicesFromOwners(slices: Slices, to: number): Parts {
  const visit: Parts['visit'] = (from, _, part) => visitSlice(slices, from, part, from);
  return { from: EACH, to, sizeBytes: slices.sliceBytes, isPerMember: false, visit };
}

/** Sends each rank's slice of every slot to the rank of that slot. */
export function slicesBack(slices: Slices): Parts {
  const visit: Parts['visit'] = (from, to, part) => {
    for (let i = 0; i < to.length; i++) visitSlice(slices, from, part, to[i]!);
  };
  return { ...ALL_ENDS, sizeBytes: slices.sliceBytes, isPerMember: true, visit };
}
