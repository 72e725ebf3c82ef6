// Several processes compute the bits of one, for every split of up to five processes with up to
// three workers each; here threads of this process that exchange by mailboxes.

import { describe, expect, it } from 'vitest';
import { BASE, CASES } from '../support/processes/cases.ts';
import { observedOf, trainAlone, trainApart } from '../support/processes/together.ts';

/** Workers of each process. */
const SPLITS: readonly (readonly number[])[] = [
  ...[1, 2, 3, 4, 5].map((processes) => Array.from({ length: processes }, () => 1)),
  [2, 2],
  [3, 3],
  [3, 1],
  [1, 3, 2],
  [2, 1, 1, 2],
];

describe.each(CASES)('%s', (_name, options) => {
  it('has the same bits in all splits', async () => {
    const given = { ...BASE, ...options };
    const alone = observedOf(await trainAlone({ ...given, workers: 1 }));
    for (const workers of SPLITS) {
      const apart = await trainApart(given, workers);
      for (const one of apart)
        expect({ workers, ...observedOf(one) }).toEqual({ workers, ...alone });
    }
  });
});
