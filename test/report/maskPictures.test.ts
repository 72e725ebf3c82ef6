// Masks as pictures: the file format, the colors, and what the page shows.

import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { COUNT_COLORS, type Color, classColor } from '../../src/report/classColors.ts';
import { picturesBlock } from '../../src/report/maskPictures.ts';
import { renderSections } from '../../src/report/page.ts';
import { pngAddress } from '../../src/report/png.ts';

type Matrix = readonly (readonly [number, number, number])[];
const times = (matrix: Matrix, v: readonly number[]): number[] =>
  matrix.map(([a, b, c]) => a * v[0]! + b * v[1]! + c * v[2]!);

/** Machado, Oliveira and Fernandes 2009, severity 1, of linear light. */
const SIGHTS: Readonly<Record<string, Matrix>> = {
  'full color vision': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
/** From linear sRGB to XYZ over the white of D65. */
const TO_XYZ: Matrix = [
  [0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505],
  [0.2126, 0.7152, 0.0722],
  [0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089],
];

/** CIELAB of a color as it is seen. */
function labOf(color: Color, sight: Matrix): number[] {
  const linear = color.map((byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const seen = times(sight, linear).map((value) => Math.min(1, Math.max(0, value)));
  const [x, y, z] = times(TO_XYZ, seen).map((t) =>
    t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27) * (t / 116) + 16 / 116,
  ) as [number, number, number];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

describe('colors of classes', () => {
  it.each(Object.keys(SIGHTS))('can be distinguished with %s', (name) => {
    const colors = Array.from({ length: COUNT_COLORS + 1 }, (_, i) => classColor(i - 1));
    const labs = colors.map((color) => labOf(color, SIGHTS[name]!));
    const distances = labs.flatMap((one, i) =>
      labs.slice(0, i).map((other) => Math.hypot(...one.map((value, k) => value - other[k]!))),
    );
    // 2.3 is what is just noticed.
    expect(Math.min(...distances)).toBeGreaterThan(9);
  });
});

/** The pixels of a PNG file that {@link pngAddress} made. */
function pixelsOf(address: string): { readonly size: readonly number[]; readonly rgb: number[] } {
  const file = Buffer.from(address.replace('data:image/png;base64,', ''), 'base64');
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const at = file.indexOf('IDAT');
  const rows = inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4)));
  const rgb = Array.from({ length: height }, (_, y) => [
    ...rows.subarray(y * (3 * width + 1) + 1, (y + 1) * (3 * width + 1)),
  ]).flat();
  return { size: [width, height], rgb };
}

describe('a picture', () => {
  it('has its pixels in a PNG file', () => {
    const rgb = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => 250 - 9 * i);
    expect(pixelsOf(pngAddress(2, 3, rgb))).toEqual({ size: [2, 3], rgb: [...rgb] });
  });

  it('has image, true and predicted mask, and all classes in the legend', () => {
    const picture = {
      ...{ sample: 7, width: 2, height: 1 },
      image: Uint8Array.of(1, 2, 3, 4, 5, 6),
      truth: Int32Array.of(-1, 12),
      predicted: Int32Array.of(0, 2),
    };
    const block = picturesBlock({ classes: 13, pictures: [picture] });
    const html = renderSections([{ heading: 'Masks', blocks: [block] }]);
    const found = [...html.matchAll(/<img src="([^"]*)" alt="([^"]*)">/g)];
    expect(found.map(([, , alt]) => alt)).toEqual([
      'image of test sample 7',
      'true mask of test sample 7',
      'predicted mask of test sample 7',
    ]);
    expect(found.map(([, address]) => pixelsOf(address!).rgb)).toEqual([
      [1, 2, 3, 4, 5, 6],
      [...classColor(-1), ...classColor(2)],
      [...classColor(0), ...classColor(2)],
    ]);
    const legend = [...html.matchAll(/<\/span>([^<]*)<\/li>/g)].map(([, name]) => name);
    expect(legend).toHaveLength(COUNT_COLORS + 1);
    expect(legend.slice(0, 3)).toEqual(['0', '1, 11', '2, 12']);
    expect(legend.at(-1)).toBe('not counted');
  });
});
