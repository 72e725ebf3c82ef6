// Ways to die, for layers and jobs of the deaths campaign.

export const WAYS = {
  throw: () => {
    throw new Error('as it was told to');
  },
  throwObject: () => {
    throw { code: 7 };
  },
  throwNothing: () => {
    throw undefined;
  },
  recursion: function recursion() {
    return recursion() + 1;
  },
  exit: () => process.exit(3),
  // The thread goes on and dies as soon as it is back in its event loop.
  rejection: () => {
    Promise.reject(new Error('floating'));
  },
  timer: () => {
    setTimeout(() => {
      throw new Error('from a timer');
    });
  },
  loop: () => {
    for (;;);
  },
  exhaust: () => {
    const lists = [];
    for (;;) lists.push(new Array(1000).fill(lists.length));
  },
};
