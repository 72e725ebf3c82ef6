// Converts masks of bytes, from npy or PNG files, to labels.

import { UsageError } from '../../base/errors.ts';
import { NO_CLASS } from '../../base/noClass.ts';

/** Means no class in masks of bytes, as in PASCAL VOC and Cityscapes. */
export const BYTE_NO_CLASS = 255;

/** The labels of masks: 255 becomes {@link NO_CLASS}. */
export function byteMasks(bytes: Uint8Array): Int32Array {
  return Int32Array.from(bytes, (byte) => (byte === BYTE_NO_CLASS ? NO_CLASS : byte));
}

/** Throws a {@link UsageError} if a split's masks have only the values 0 and 255, since 255 is then
 * meant as a class. */
export function checkByteMasks(
  bytes: Uint8Array,
  { what, hint }: { readonly what: string; readonly hint: string },
): void {
  if (!bytes.includes(BYTE_NO_CLASS)) return;
  if (bytes.some((byte) => byte !== 0 && byte !== BYTE_NO_CLASS)) return;
  throw new UsageError({
    what,
    given: `only 0 and ${BYTE_NO_CLASS}`,
    allowed: `classes from 0, and ${BYTE_NO_CLASS} for none`,
    hint,
  });
}
