// Several processes compute the bits of one: here threads of this process, each with an arena and
// workers of its own, that exchange by mailboxes. All splits: `npm run test:long`.

import { expect, it } from 'vitest';
import { BASE, CASES } from '../support/processes/cases.ts';
import { observedOf, trainAlone, trainApart } from '../support/processes/together.ts';

it.each(CASES)('%s: three processes have the bits of one', async (_name, options) => {
  const given = { ...BASE, ...options };
  const alone = await trainAlone({ ...given, workers: 1 });
  const apart = await trainApart(given, [1, 2, 1]);
  expect(apart).toHaveLength(3);
  for (const one of apart) expect(observedOf(one)).toEqual(observedOf(alone));
});
