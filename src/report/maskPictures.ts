// Predicted masks next to the true ones, as pictures with a legend of the class colors.

import { classColor } from './classColors.ts';
import type { Block } from './page.ts';
import { pngAddress } from './png.ts';

/** A sample to show. */
export interface MaskPicture {
  /** Index of the test sample. */
  readonly sample: number;
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel. */
  readonly image: Uint8Array;
  /** Class of each pixel; negative if it does not count. */
  readonly truth: Int32Array;
  readonly predicted: Int32Array;
}

export interface MaskPictures {
  readonly classes: number;
  readonly pictures: readonly MaskPicture[];
}

/** Each sample as a row of image, true mask and predicted mask. */
export function picturesBlock({ classes, pictures }: MaskPictures): Block {
  const rows = pictures.map(({ sample, width, height, image, truth, predicted }) => {
    const show = (what: string, rgb: Uint8Array) => ({
      address: pngAddress(width, height, rgb),
      name: what,
      alt: `${what} of test sample ${sample}`,
    });
    return [
      show('image', image),
      show('true mask', colored(truth)),
      show('predicted mask', colored(predicted)),
    ];
  });
  const legend = new Map<string, string[]>();
  const add = (label: number, name: string): void => {
    const color = cssColor(label);
    legend.set(color, [...(legend.get(color) ?? []), name]);
  };
  for (let label = 0; label < classes; label++) add(label, `${label}`);
  if (pictures.some(({ truth }) => truth.some((label) => label < 0))) add(-1, 'not counted');
  return {
    kind: 'pictures',
    rows,
    legend: [...legend].map(([color, names]) => ({ color, name: names.join(', ') })),
    caption: 'Test samples, and the colors of their classes.',
  };
}

function colored(mask: Int32Array): Uint8Array {
  const rgb = new Uint8Array(mask.length * 3);
  for (const [i, label] of mask.entries()) rgb.set(classColor(label), i * 3);
  return rgb;
}

function cssColor(label: number): string {
  return `rgb(${classColor(label).join(' ')})`;
}
