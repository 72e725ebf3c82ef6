// Loads one image from the dataset into an activation: normalized, shifted, flipped. Output pixel
// (y, x) is input pixel (y + dy, (flip ? width - 1 - x : x) + dx), or 0 outside of the image. Plain
// loads and stores in a fixed order; the plain twin is reference/images.ts.

/** Loads bytes through a table of 256 * channels floats: out = table[value * channels + c]. */
export function loadImageU8(
  srcPtr: usize,
  dstPtr: usize,
  height: i32,
  width: i32,
  channels: i32,
  tablePtr: usize,
  dy: i32,
  dx: i32,
  flip: i32,
): void {
  const rowBytes = <usize>(width * channels);
  const backwards = flip != 0;
  let out = dstPtr;
  for (let y = 0; y < height; y++) {
    const sourceY = y + dy;
    if (sourceY < 0 || sourceY >= height) {
      memory.fill(out, 0, rowBytes << 2);
      out += rowBytes << 2;
      continue;
    }
    const row = srcPtr + <usize>sourceY * rowBytes;
    if (channels == 1 && dx == 0 && !backwards) {
      const end = row + rowBytes;
      for (let from = row; from != end; from++) {
        store<f32>(out, load<f32>(tablePtr + ((<usize>load<u8>(from)) << 2)));
        out += 4;
      }
      continue;
    }
    for (let x = 0; x < width; x++) {
      const sourceX = (backwards ? width - 1 - x : x) + dx;
      if (sourceX < 0 || sourceX >= width) {
        for (let c = 0; c < channels; c++) {
          store<f32>(out, 0);
          out += 4;
        }
      } else {
        const pixel = row + <usize>(sourceX * channels);
        for (let c = 0; c < channels; c++) {
          const index = <usize>(<i32>load<u8>(pixel + <usize>c) * channels + c);
          store<f32>(out, load<f32>(tablePtr + (index << 2)));
          out += 4;
        }
      }
    }
  }
}

/** Loads floats: out = (x - mean[c]) * invStd[c]. The mean is subtracted first, so that a mean that
 * is large compared to the standard deviation does not cost digits of x. */
export function loadImageF32(
  srcPtr: usize,
  dstPtr: usize,
  height: i32,
  width: i32,
  channels: i32,
  meanPtr: usize,
  invStdPtr: usize,
  dy: i32,
  dx: i32,
  flip: i32,
): void {
  const rowBytes = (<usize>(width * channels)) << 2;
  const backwards = flip != 0;
  let out = dstPtr;
  for (let y = 0; y < height; y++) {
    const sourceY = y + dy;
    if (sourceY < 0 || sourceY >= height) {
      memory.fill(out, 0, rowBytes);
      out += rowBytes;
      continue;
    }
    const row = srcPtr + <usize>sourceY * rowBytes;
    if (channels == 1 && dx == 0 && !backwards) {
      const mean = v128.load_splat<f32>(meanPtr);
      const invStd = v128.load_splat<f32>(invStdPtr);
      const end = out + rowBytes;
      let from = row;
      for (; out + 16 <= end; out += 16) {
        v128.store(out, f32x4.mul(f32x4.sub(v128.load(from), mean), invStd));
        from += 16;
      }
      for (; out != end; out += 4) {
        store<f32>(out, (load<f32>(from) - load<f32>(meanPtr)) * load<f32>(invStdPtr));
        from += 4;
      }
      continue;
    }
    for (let x = 0; x < width; x++) {
      const sourceX = (backwards ? width - 1 - x : x) + dx;
      if (sourceX < 0 || sourceX >= width) {
        for (let c = 0; c < channels; c++) {
          store<f32>(out, 0);
          out += 4;
        }
      } else {
        const pixel = row + ((<usize>(sourceX * channels)) << 2);
        for (let c = 0; c < channels; c++) {
          const at = (<usize>c) << 2;
          const centred = load<f32>(pixel + at) - load<f32>(meanPtr + at);
          store<f32>(out, centred * load<f32>(invStdPtr + at));
          out += 4;
        }
      }
    }
  }
}
