// Decodes photos to bytes with sharp, which users install to pack images (pack.ts). Only JPEG, PNG
// and WebP reach it, since it would also read formats that can run code.

import type { Sharp } from 'sharp';
import { UsageError } from '../../base/errors.ts';
import { loadOptional } from '../../base/optionalPackage.ts';
import { showError } from '../../base/showError.ts';
import { readDataFile } from '../formats/files.ts';

/** Height and width as displayed. */
export interface ImageHead {
  readonly height: number;
  readonly width: number;
  readonly isGray: boolean;
  readonly hasAlpha: boolean;
  /** Whether the file's pixels are rotated or mirrored for display. */
  readonly isTurned: boolean;
}

/** How images are resized: cropped around the center to the target's proportions, stretched, or
 * padded with black bars. */
export type Fit = 'cover' | 'fill' | 'contain';
export const FITS: readonly Fit[] = ['cover', 'fill', 'contain'];

export interface WantedPixels {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  readonly fit: Fit;
}

/** Reads images. Its functions throw a {@link UsageError} that names the file. */
export interface Decoder {
  /** Name and version, since other decoders may give other bytes. */
  readonly name: string;
  head(file: string): Promise<ImageHead>;
  /** [height, width, channels]; transparency is dropped. */
  pixels(file: string, wanted: WantedPixels): Promise<Uint8Array>;
}

interface SharpModule {
  (bytes: Uint8Array, options: { readonly limitInputPixels: number }): Sharp;
  readonly versions: { readonly sharp?: string; readonly vips: string };
}

/** The size of large cameras' images; 300 MB as bytes. */
const MAX_PIXELS = 1e8;
const KINDS: readonly (readonly (number | undefined)[])[] = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47],
  // RIFF, four bytes of length, WEBP.
  [...Buffer.from('RIFF'), undefined, undefined, undefined, undefined, ...Buffer.from('WEBP')],
];

/** Loads sharp. Throws a {@link UsageError} if it is not installed. */
export function openDecoder(): Decoder {
  const sharp = loadOptional('sharp', 'packing images') as SharpModule;
  const open = async (file: string): Promise<Sharp> => {
    const bytes = await readDataFile(file, () => undefined);
    const isKnown = KINDS.some((kind) =>
      kind.every((byte, i) => byte === undefined || bytes[i] === byte),
    );
    if (isKnown) return sharp(bytes, { limitInputPixels: MAX_PIXELS });
    throw new UsageError({ what: file, given: 'another kind of file', allowed: 'JPEG, PNG, WebP' });
  };
  return {
    name: `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`,
    async head(file) {
      const image = await open(file);
      const { autoOrient, channels, hasAlpha, orientation } = await reading(file, image.metadata());
      return {
        height: autoOrient.height,
        width: autoOrient.width,
        isGray: channels < 3,
        hasAlpha,
        isTurned: (orientation ?? 1) !== 1,
      };
    },
    async pixels(file, { height, width, channels, fit }) {
      const image = (await open(file))
        .autoOrient()
        .removeAlpha()
        .resize({ height, width, fit, kernel: 'linear', fastShrinkOnLoad: false })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .raw({ depth: 'uchar' });
      const { data, info } = await reading(file, image.toBuffer({ resolveWithObject: true }));
      if (info.channels === channels) return data;
      const given = `${info.channels} channels`;
      throw new UsageError({ what: file, given, allowed: `${channels}` });
    },
  };
}

/** Errors of sharp about a file are the caller's to fix. */
async function reading<T>(file: string, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    const allowed = `a whole image of at most ${MAX_PIXELS / 1e6} million pixels`;
    const [given] = showError(error).split('\n');
    throw new UsageError({ what: file, given, allowed });
  }
}
