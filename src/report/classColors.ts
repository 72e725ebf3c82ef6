// Colors of classes in masks. Class 0, by convention the background, is nearly black. The next ten
// colors are from Petroff, "Accessible Color Sequences for Data Visualization" (2021), and are
// distinguishable with any color blindness. Further classes reuse them.

export type Color = readonly [red: number, green: number, blue: number];

const BACKGROUND: Color = [0x1a, 0x1a, 0x1a];
const SEQUENCE: readonly Color[] = [
  [0x3f, 0x90, 0xda],
  [0xff, 0xa9, 0x0e],
  [0xbd, 0x1f, 0x01],
  [0x94, 0xa4, 0xa2],
  [0x83, 0x2d, 0xb6],
  [0xa9, 0x6b, 0x59],
  [0xe7, 0x63, 0x00],
  [0xb9, 0xac, 0x70],
  [0x71, 0x75, 0x81],
  [0x92, 0xda, 0xdd],
];

/** The color of pixels that do not count. */
export const NO_CLASS_COLOR: Color = [0xff, 0xff, 0xff];
/** How many classes have a unique color. */
export const COUNT_COLORS = 1 + SEQUENCE.length;

export function classColor(label: number): Color {
  if (label < 0) return NO_CLASS_COLOR;
  return label === 0 ? BACKGROUND : SEQUENCE[(label - 1) % SEQUENCE.length]!;
}
