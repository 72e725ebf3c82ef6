// A mask as bytes of a set: the classes of a PNG file, unchanged, or the bright pixels of any
// image. Resized to the nearest pixel, so that no new classes appear.

import { UsageError } from '../../base/errors.ts';
import { readDataFile } from '../formats/files.ts';
import type { Decoder } from './decode.ts';
import { parsePng } from './png.ts';

export interface MaskOptions {
  /** Size of the image, which the mask must have. */
  readonly image: { readonly height: number; readonly width: number };
  /** Size to resize to. */
  readonly height: number;
  readonly width: number;
  readonly decoder: Decoder;
  readonly hasBinaryMasks: boolean;
}

/** From this gray value on, a pixel counts as bright. */
const BRIGHT = 128;

/** The classes of a mask, [height, width]. Throws a {@link UsageError} if it has none. */
export async function packMask(file: string, options: MaskOptions): Promise<Uint8Array> {
  const { image, height, width, hasBinaryMasks } = options;
  const size = hasBinaryMasks ? await options.decoder.head(file) : undefined;
  const found = size === undefined ? await readClasses(file) : { ...size, values: undefined };
  if (found.height !== image.height || found.width !== image.width) {
    const given = `${found.height}x${found.width}`;
    const allowed = `${image.height}x${image.width}, like its image`;
    throw new UsageError({ what: `the size of the mask ${file}`, given, allowed });
  }
  const values = found.values ?? (await readBright(file, options));
  const resized = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    const fromY = Math.floor(((y + 0.5) * found.height) / height);
    for (let x = 0; x < width; x++) {
      const fromX = Math.floor(((x + 0.5) * found.width) / width);
      resized[y * width + x] = values[fromY * found.width + fromX]!;
    }
  }
  return resized;
}

interface Classes {
  readonly height: number;
  readonly width: number;
  readonly values: Uint8Array;
}

async function readClasses(file: string): Promise<Classes> {
  if (!/\.png$/i.test(file)) {
    throw new UsageError({
      what: `the mask ${file}`,
      given: 'a format that does not preserve class values',
      allowed: 'a PNG file, whose gray or palette index is the class',
      hint: '--binary-masks, which makes bright pixels class 1',
    });
  }
  const image = parsePng(await readDataFile(file, () => undefined), file);
  if (image.kind === 'gray' || image.kind === 'palette') return image;
  throw new UsageError({
    what: `the mask ${file}`,
    given: image.kind,
    allowed: 'gray or a palette, whose values are the classes',
    hint: "Pillow's mode L or P, or --binary-masks",
  });
}

async function readBright(file: string, { image, decoder }: MaskOptions): Promise<Uint8Array> {
  const { height, width } = image;
  const gray = await decoder.pixels(file, { height, width, channels: 1, fit: 'fill' });
  return gray.map((value) => (value >= BRIGHT ? 1 : 0));
}
