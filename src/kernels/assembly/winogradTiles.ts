// Winograd's transforms of the tiles of a region, from pixels to planes and back: first down the
// columns, a whole row of tiles at once, into scratch, then along the rows. Nothing outside of the
// image is read: outside rows are a row of zeros, outside columns are set to zero in scratch.

import {
  gradColumns4,
  gradColumns6,
  gradRow4,
  gradRow6,
  inputColumns4,
  inputColumns6,
  inputRow4,
  inputRow6,
} from './winogradInput';
import { outputColumns4, outputColumns6, outputRow4, outputRow6 } from './winogradOutput';
import { POINTS } from './winogradPlaces';

/** The distance between rows of places, in planes; also the maximum number of lines of input
 * tiles. */
const ROW_PLANES: usize = <usize>POINTS;
/** Space for constants at the start of scratch. */
const SPARE_BYTES: usize = 64;

export function winogradInputF32(
  xPtr: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  tileRows: i32,
  tileColumns: i32,
  rowPoints: i32,
  columnPoints: i32,
  scratchPtr: usize,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const rowBytes = <usize>width * pixelBytes;
  const runBytes = <usize>tileColumns * pixelBytes;
  const span = tileColumns * (columnPoints - 2) + 2;
  const lineBytes = <usize>span * pixelBytes;
  const lines = scratchPtr + SPARE_BYTES;
  const zeros = lines + ROW_PLANES * lineBytes;
  // The columns of the lines that are inside of the image.
  const from = max(-left, 0);
  const to = max(min(span, width - left), from);
  const before = <usize>from * pixelBytes;
  const inside = <usize>(to - from) * pixelBytes;
  memory.fill(zeros, 0, inside);
  clearBorders(lines, lineBytes, rowPoints, before, inside);
  const x = xPtr + <usize>(left + from) * pixelBytes;
  for (let tileRow = 0; tileRow < tileRows; tileRow++) {
    const y = top + tileRow * (rowPoints - 2);
    const s0 = lineAt(x, y, height, rowBytes, zeros);
    const s1 = lineAt(x, y + 1, height, rowBytes, zeros);
    const s2 = lineAt(x, y + 2, height, rowBytes, zeros);
    const s3 = lineAt(x, y + 3, height, rowBytes, zeros);
    if (rowPoints == 6) {
      const s4 = lineAt(x, y + 4, height, rowBytes, zeros);
      const s5 = lineAt(x, y + 5, height, rowBytes, zeros);
      inputColumns6(s0, s1, s2, s3, s4, s5, inside, lines + before, lineBytes, scratchPtr);
    } else inputColumns4(s0, s1, s2, s3, inside, lines + before, lineBytes, scratchPtr);
    for (let point: usize = 0; point < <usize>rowPoints; point++) {
      const line = lines + point * lineBytes;
      const dst = dstPtr + point * ROW_PLANES * planeBytes;
      if (columnPoints == 6) inputRow6(line, pixelBytes, tileColumns, dst, planeBytes, scratchPtr);
      else inputRow4(line, pixelBytes, tileColumns, dst, planeBytes, scratchPtr);
    }
    dstPtr += runBytes;
  }
}

/** Sets the part of each line outside of the image to zero. */
@inline
function clearBorders(
  lines: usize,
  lineBytes: usize,
  count: i32,
  before: usize,
  inside: usize,
): void {
  for (; count > 0; count--) {
    memory.fill(lines, 0, before);
    memory.fill(lines + before + inside, 0, lineBytes - before - inside);
    lines += lineBytes;
  }
}

/** The row y of an image, or zeros if it has no such row. */
@inline
function lineAt(x: usize, y: i32, height: i32, rowBytes: usize, zeros: usize): usize {
  return y >= 0 && y < height ? x + <usize>y * rowBytes : zeros;
}

export function winogradOutputGradF32(
  dyPtr: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  tileRows: i32,
  tileColumns: i32,
  rowPoints: i32,
  columnPoints: i32,
  scratchPtr: usize,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const rowBytes = <usize>width * pixelBytes;
  const runBytes = <usize>tileColumns * pixelBytes;
  const span = tileColumns * (columnPoints - 2);
  const lineBytes = <usize>span * pixelBytes;
  const inside = <usize>min(span, width - left) * pixelBytes;
  const lines = scratchPtr + SPARE_BYTES;
  const zeros = lines + ROW_PLANES * lineBytes;
  memory.fill(zeros, 0, inside);
  clearBorders(lines, lineBytes, rowPoints, 0, inside);
  const dy = dyPtr + <usize>left * pixelBytes;
  for (let tileRow = 0; tileRow < tileRows; tileRow++) {
    const y = top + tileRow * (rowPoints - 2);
    const s0 = lineAt(dy, y, height, rowBytes, zeros);
    const s1 = lineAt(dy, y + 1, height, rowBytes, zeros);
    if (rowPoints == 6) {
      const s2 = lineAt(dy, y + 2, height, rowBytes, zeros);
      const s3 = lineAt(dy, y + 3, height, rowBytes, zeros);
      gradColumns6(s0, s1, s2, s3, inside, lines, lineBytes, scratchPtr);
    } else gradColumns4(s0, s1, inside, lines, lineBytes, scratchPtr);
    for (let point: usize = 0; point < <usize>rowPoints; point++) {
      const line = lines + point * lineBytes;
      const dst = dstPtr + point * ROW_PLANES * planeBytes;
      if (columnPoints == 6) gradRow6(line, pixelBytes, tileColumns, dst, planeBytes, scratchPtr);
      else gradRow4(line, pixelBytes, tileColumns, dst, planeBytes, scratchPtr);
    }
    dstPtr += runBytes;
  }
}

export function winogradOutputF32(
  srcPtr: usize,
  planeBytes: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  tileRows: i32,
  tileColumns: i32,
  rowPoints: i32,
  columnPoints: i32,
  scratchPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  addendBytes: usize,
  isRelu: bool,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const rowBytes = <usize>width * pixelBytes;
  const runBytes = <usize>tileColumns * pixelBytes;
  const lineBytes = <usize>columnPoints * runBytes;
  // Spare outputs need a pixel.
  const lines = scratchPtr + max(pixelBytes, SPARE_BYTES);
  const step = ROW_PLANES * planeBytes;
  const lastColumns = min(width - left - (tileColumns - 1) * (columnPoints - 2), columnPoints - 2);
  for (let tileRow = 0; tileRow < tileRows; tileRow++) {
    const y = top + tileRow * (rowPoints - 2);
    for (let point: usize = 0; point < <usize>columnPoints; point++) {
      const src = srcPtr + point * planeBytes;
      const dst = lines + point * runBytes;
      if (rowPoints == 6) outputColumns6(src, step, runBytes, dst, lineBytes, scratchPtr);
      else outputColumns4(src, step, runBytes, dst, lineBytes, scratchPtr);
    }
    const rows = min(rowPoints - 2, height - y);
    let line = lines;
    let out = outPtr + <usize>y * rowBytes + <usize>left * pixelBytes;
    for (let row = 0; row < rows; row++) {
      outputRow(
        line,
        runBytes,
        pixelBytes,
        tileColumns,
        columnPoints,
        lastColumns,
        biasPtr,
        out,
        scratchPtr,
        addendBytes,
        isRelu,
      );
      line += lineBytes;
      out += rowBytes;
    }
    srcPtr += runBytes;
  }
}

function outputRow(
  line: usize,
  step: usize,
  pixelBytes: usize,
  tiles: i32,
  columnPoints: i32,
  last: i32,
  bias: usize,
  out: usize,
  spare: usize,
  addend: usize,
  isRelu: bool,
): void {
  if (addend | usize(isRelu)) {
    if (columnPoints == 6) {
      endRow6(line, step, pixelBytes, tiles, last, bias, addend, isRelu, out, spare);
    } else endRow4(line, step, pixelBytes, tiles, last, bias, addend, isRelu, out, spare);
  } else if (columnPoints == 6) {
    if (bias) {
      outputRow6(line, step, pixelBytes, tiles, last, true, bias, false, 0, false, out, spare);
    } else outputRow6(line, step, pixelBytes, tiles, last, false, 0, false, 0, false, out, spare);
  } else if (bias) {
    outputRow4(line, step, pixelBytes, tiles, last, true, bias, false, 0, false, out, spare);
  } else outputRow4(line, step, pixelBytes, tiles, last, false, 0, false, 0, false, out, spare);
}

/** Writes rows of outputs that end with an addend, a relu, or both. They have a bias. */
function endRow6(
  line: usize,
  step: usize,
  pixelBytes: usize,
  tiles: i32,
  last: i32,
  bias: usize,
  addend: usize,
  isRelu: bool,
  out: usize,
  spare: usize,
): void {
  if (!addend) {
    outputRow6(line, step, pixelBytes, tiles, last, true, bias, false, 0, true, out, spare);
  } else if (isRelu) {
    outputRow6(line, step, pixelBytes, tiles, last, true, bias, true, addend, true, out, spare);
  } else {
    outputRow6(line, step, pixelBytes, tiles, last, true, bias, true, addend, false, out, spare);
  }
}

function endRow4(
  line: usize,
  step: usize,
  pixelBytes: usize,
  tiles: i32,
  last: i32,
  bias: usize,
  addend: usize,
  isRelu: bool,
  out: usize,
  spare: usize,
): void {
  if (!addend) {
    outputRow4(line, step, pixelBytes, tiles, last, true, bias, false, 0, true, out, spare);
  } else if (isRelu) {
    outputRow4(line, step, pixelBytes, tiles, last, true, bias, true, addend, true, out, spare);
  } else {
    outputRow4(line, step, pixelBytes, tiles, last, true, bias, true, addend, false, out, spare);
  }
}
