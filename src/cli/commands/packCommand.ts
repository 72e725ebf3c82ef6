// `syncbn pack`: packs a folder of photos, by class or with masks, into a set for training.

import { UsageError } from '../../base/errors.ts';
import { showShape } from '../../base/shape.ts';
import { FITS } from '../../data/images/decode.ts';
import { packImages } from '../../data/images/pack.ts';
import { say, screen, warn } from '../output/screen.ts';
import type { Flags } from '../settings/flags.ts';
import { shapeFrom } from '../settings/shapeFlag.ts';

export async function runPack(
  flags: Flags,
  dir: string | undefined,
  out: string | undefined,
): Promise<number> {
  if (dir === undefined || out === undefined) {
    throw new UsageError({
      what: 'syncbn pack',
      problem: 'requires a folder of images and a folder to write',
      hint: 'syncbn pack photos photos-64 --size 64x64',
    });
  }
  const size = sizeFrom(flags);
  const fit = flags.choice('fit', FITS);
  const testSplit = flags.number('test-split', 0);
  const { notices, ...report } = await packImages(dir, out, {
    ...(size !== undefined && { size }),
    ...(fit !== undefined && { fit }),
    ...(flags.isSet('gray') && { isGray: true }),
    ...(testSplit !== undefined && { testSplit }),
    hasBinaryMasks: flags.isSet('binary-masks'),
  });
  for (const notice of notices) warn(`syncbn: ${notice}`);
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'packed', path: out, ...report, notices });
    return 0;
  }
  const { inputShape, train, test, classes } = report;
  const what = report.kind === 'masks' ? 'with masks of' : 'of';
  say(
    `${train} training and ${test} test images ${showShape(inputShape)} ${what} ${classes} ` +
      `classes, decoded by ${report.decoder}.`,
  );
  say(`Written to ${out}: syncbn train --data ${out}`);
  return 0;
}

function sizeFrom(flags: Flags): readonly [height: number, width: number] | undefined {
  const shape = shapeFrom(flags, 'size');
  if (shape === undefined) return undefined;
  const [height, width] = shape;
  if (height !== undefined && width !== undefined && shape.length === 2) return [height, width];
  const allowed = 'height and width';
  throw new UsageError({ what: '--size', given: showShape(shape), allowed, hint: '--size 64x64' });
}
