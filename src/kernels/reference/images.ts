// Plain twins of assembly/images.ts: the definition that the kernels are tested against, bit for
// bit.

/** Size of one image and how it is moved; the kernels' numbers under the same names. */
export interface ImageMove {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly dy: number;
  readonly dx: number;
  readonly flip: number;
}

/** Loads bytes [H, W, C] through a table of 256 * C floats: out = table[value * C + c], 0
 * outside. */
export function loadImageU8Ref(
  source: Uint8Array,
  table: Float32Array,
  move: ImageMove,
): Float32Array {
  return moveRef(move, (index, c) => table[source[index]! * move.channels + c]!);
}

/** Loads floats [H, W, C]: out = (x - mean[c]) * invStd[c], each operation rounded to float32. */
export function loadImageF32Ref(
  source: Float32Array,
  mean: Float32Array,
  invStd: Float32Array,
  move: ImageMove,
): Float32Array {
  return moveRef(move, (index, c) => Math.fround(source[index]! - mean[c]!) * invStd[c]!);
}

function moveRef(move: ImageMove, value: (index: number, c: number) => number): Float32Array {
  const { height, width, channels, dy, dx, flip } = move;
  const out = new Float32Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sourceY = y + dy;
      const sourceX = (flip === 0 ? x : width - 1 - x) + dx;
      const inside = sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX < width;
      for (let c = 0; c < channels; c++) {
        const index = (sourceY * width + sourceX) * channels + c;
        out[(y * width + x) * channels + c] = inside ? value(index, c) : 0;
      }
    }
  }
  return out;
}
