// elastic: threads of a run are terminated one after another at any time, while the run continues
// with the others to the bits of an undisturbed run.

import { trainKilled, WORKERS } from '../support/runs/killed.ts';
import { type Campaign, fail } from './campaign.ts';
import { countThreads, threadsAtMost } from './processState.ts';

export const elastic: Campaign = {
  name: 'elastic',
  counts: 'deaths',
  promise: 'An elastic run ends with the same bits whichever workers die, and whenever.',
  caseTimeoutMs: 60_000,
  async open() {
    const { hash } = await trainKilled(0, 0);
    return {
      async run(dice) {
        const deaths = dice.between(1, WORKERS - 1);
        const seed = dice.below(1e6);
        const before = countThreads();
        const end = await trainKilled(deaths, seed);
        if (end.hash !== hash) fail('ended with other bits', { deaths, seed, ...end });
        const threads = await threadsAtMost(before);
        if (threads > before) fail(`${threads} threads are left, not ${before}`, { seed });
        return deaths;
      },
    };
  },
};
