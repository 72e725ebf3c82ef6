// A layer that passes its input on and, on one replica in training or in evaluation, dies or hangs
// in the way that it is told; only once, where it gets a file to remember that by.

import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const ways = {
  throw: () => {
    throw new RangeError('no more');
  },
  throwObject: () => {
    throw { code: 'E_WRONG', at: [1, 2] };
  },
  exit: () => process.exit(3),
  exhaust: () => {
    const lists = [];
    for (;;) lists.push(new Array(1000).fill(lists.length));
  },
  float: () => {
    Promise.reject(new Error('nobody catches this'));
  },
  loop: () => {
    for (;;);
  },
};

export default function fatalLayer({ way, when, replica: victim, once }) {
  const strike = () => {
    if (once !== undefined) {
      if (existsSync(once)) return;
      writeFileSync(once, '');
    }
    ways[way]();
  };
  if (when === 'start' && !isMainThread) strike();
  return {
    outputShape: (input) => input,
    forward({ x, y, training, replica }) {
      if (replica === victim && when === (training ? 'train' : 'eval')) strike();
      y.set(x);
    },
    backward({ dy, dx }) {
      dx?.set(dy);
    },
  };
}
