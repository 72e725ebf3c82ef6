// Scenes as small as their objects: one digit of MNIST among scraps and noise on 32x32 pixels. Nets
// learn them in a few thousand steps of 8 images, and each is unlike the others in its statistics.

import type { Dataset } from '../../data/dataset.ts';
import { scenes } from '../../data/scenes.ts';

export const SMALL_SCENES = 'small-scenes';

/** 8000 + 400 scenes: inputs [32, 32, 1] as bytes, masks of 11 classes. */
export async function smallScenes(): Promise<Dataset> {
  const made = await scenes({ train: 8000, test: 400, size: 32, objects: 1, scraps: 3 });
  return { ...made, name: SMALL_SCENES };
}
