// Which tiles have a place of Winograd's transforms; inlined, not exported. Tiles are in the order
// tail columns, full, tail rows, corners (../abi/winograd.ts).

/** Places of an axis of F(4, 3). */
export const POINTS: i32 = 6;
const SHORT_POINTS: i32 = 4;

/** The first tile that has place j of the columns. */
@inline
export function firstTile(j: i32, tailColumnTiles: i32): i32 {
  return j < SHORT_POINTS ? 0 : tailColumnTiles;
}

/** The number of tiles with place (i, j), starting at {@link firstTile}. */
@inline
export function countTiles(
  i: i32,
  j: i32,
  tailColumnTiles: i32,
  fullTiles: i32,
  tailRowTiles: i32,
  cornerTiles: i32,
): i32 {
  let count = fullTiles;
  if (j < SHORT_POINTS) count += tailColumnTiles;
  if (i < SHORT_POINTS) count += j < SHORT_POINTS ? tailRowTiles + cornerTiles : tailRowTiles;
  return count;
}
