// The flags that only `syncbn lr-find` has, as in its help.

import type { FlagText } from './flagText.ts';

export const lrFindFlags: readonly FlagText[] = [
  ['--steps <n>', 'Steps of the test, at least 10 (default 100)'],
  ['--from <rate>', 'Learning rate of the first step (default 1e-6)'],
  ['--to <rate>', 'Learning rate of the last step (default 10)'],
  ['--smoothing <x>', 'Weight of the previous average in the smoothed loss (default 0.9)'],
  ['--out <folder>', 'Where the page goes (default lr-find)'],
];
